//! What happens in the browser and nowhere else: the event stream, the clock, keys, requests.
//!
//! Everything here is called from effects and event handlers, which never run on the server. One page has one
//! stream and one clock, however many islands listen.

mod browser;
mod parts;
mod stream;

pub use browser::{
    assign, attended, every_second, get_text, learn_time, local_offset_s, on_key, on_resize, reload,
    remember, remembered, rewrite, typing,
};
pub use parts::refresh_parts;
pub use stream::{Connection, LiveEvent, QUIET_LIMIT_MS, follow, follow_actions, on_connection};

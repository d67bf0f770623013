//! The browser's entry point: makes the islands of a page that is complete already live, and nothing else.

use wasm_bindgen::prelude::wasm_bindgen;

// The islands are functions that only the page's HTML refers to, by name: without this line the linker drops them.
use quarterdeck_app as _;

/// Called by the page's loader once the module is there; the loader then calls the function of each island.
#[wasm_bindgen]
pub fn hydrate() {
    // A release has no names to put into a trace, and the message alone costs more bytes than it is worth.
    #[cfg(debug_assertions)]
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}

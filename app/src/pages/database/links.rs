//! Addresses that lead from a session into the flow of a guarded action.

use crate::view::database::BackendView;

/// A value as it stands in an address: all but letters, digits and `-._~` percent-encoded.
fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

/// `path?a=b&c=d`.
pub(super) fn address(path: &str, fields: &[(&str, String)]) -> String {
    let query: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

/// Where cancelling the query is asked for that a backend began at a time.
pub(super) fn cancel(node: &str, backend: &BackendView, query_started_at: &str) -> String {
    address(
        "/actions/new",
        &[
            ("kind", "cancel_query".to_owned()),
            ("node", node.to_owned()),
            ("backend", backend.id.clone()),
            ("query_start", query_started_at.to_owned()),
        ],
    )
}

/// Where terminating a backend is asked for.
pub(super) fn terminate(node: &str, backend: &BackendView) -> String {
    address(
        "/actions/new",
        &[
            ("kind", "terminate_backend".to_owned()),
            ("node", node.to_owned()),
            ("backend", backend.id.clone()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_address_keeps_to_its_place() {
        let fields = [("node", "a&b=c d".to_owned()), ("user", "ä".to_owned())];
        assert_eq!(address("/x", &fields), "/x?node=a%26b%3Dc%20d&user=%C3%A4");
        assert_eq!(address("/x", &[]), "/x");
    }
}

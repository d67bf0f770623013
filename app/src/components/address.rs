//! Addresses with a query.

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
pub fn address(path: &str, fields: &[(&str, String)]) -> String {
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

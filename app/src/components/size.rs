//! Sizes as a person reads them.

/// A stretch of WAL: `64.0 kB`. A kB is 1,024 bytes, as PostgreSQL counts.
#[allow(clippy::cast_precision_loss)]
#[must_use]
pub fn bytes(n: impl Into<i128>) -> String {
    let n = n.into().max(0) as f64;
    match n {
        n if n < 1_024.0 => format!("{n} B"),
        n if n < 1_048_576.0 => format!("{:.1} kB", n / 1_024.0),
        n if n < 1_073_741_824.0 => format!("{:.1} MB", n / 1_048_576.0),
        n => format!("{:.1} GB", n / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(
            [0, 1_536, 5_242_880, -3].map(bytes),
            ["0 B", "1.5 kB", "5.0 MB", "0 B"]
        );
    }
}

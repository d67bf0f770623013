//! The console's port on 127.0.0.1.

use anyhow::{Result, bail};

/// The wanted port if it is free; a free one for 0.
///
/// # Errors
/// When it is taken; the error names the holder.
pub fn choose(wanted: u16) -> Result<u16> {
    if wanted == 0 {
        return Ok(quarterdeck_estate::port::free()?);
    }
    if quarterdeck_estate::port::is_free(wanted) {
        return Ok(wanted);
    }
    bail!(
        "port {wanted} of 127.0.0.1, wanted for the console, is taken by {}; stop that process or choose another port: \
         PORT={}",
        quarterdeck_estate::port::holder(wanted),
        wanted.checked_add(1).unwrap_or(3000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_with_its_number_and_holder() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = choose(port).unwrap_err().to_string();
        assert!(refused.contains(&format!("port {port} ")), "{refused}");
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
    }

    #[test]
    fn a_free_port_is_kept_and_zero_means_any() {
        let port = choose(0).unwrap();
        assert_eq!(choose(port).unwrap(), port);
    }
}

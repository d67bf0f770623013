//! Loopback ports: free ones, and who holds a taken one.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::PartError;

/// First port that [`free`] hands out.
const FIRST: u32 = 14_000;
/// How many ports it chooses from. All lie below the range from which the kernel takes ports of outgoing
/// connections (32768 and up), so a stopped server finds its port free when it starts again.
const SPAN: u32 = 18_000;

/// A port of 127.0.0.1 on which nothing listens.
///
/// Two processes may be given the same one between this call and their use of it; those who start servers try
/// again with another.
///
/// # Errors
/// When none of the range is free.
pub fn free() -> Result<u16, PartError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Each process begins elsewhere, so that test binaries side by side seldom meet.
    let start = std::process::id().wrapping_mul(397);
    for _ in 0..SPAN {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % SPAN;
        if let Ok(port) = u16::try_from(port)
            && is_free(port)
        {
            return Ok(port);
        }
    }
    Err(PartError::Unexpected {
        part: "ports".into(),
        message: "no free port on 127.0.0.1".into(),
    })
}

/// Whether a server could listen on the port of 127.0.0.1.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether something accepts connections on the port of 127.0.0.1.
#[must_use]
pub fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500)).is_ok()
}

/// The process that listens on a port of this machine, as far as `/proc` tells this user.
#[must_use]
pub fn holder(port: u16) -> String {
    let Some(inode) = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(table, port))
    else {
        return "a process that /proc does not show".into();
    };
    let socket = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let mut descriptors = std::fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        if descriptors.any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == &*socket))
        {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            return format!(
                "process {pid} ({})",
                command.trim().chars().take(80).collect::<String>()
            );
        }
    }
    "a process of another user".into()
}

/// The inode of the socket that listens on a port, from a table such as `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let text = std::fs::read_to_string(table).ok()?;
    text.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let listens = fields.get(3) == Some(&LISTEN) && u16::from_str_radix(local_port, 16) == Ok(port);
        listens
            .then(|| fields.get(9).map(|inode| (*inode).to_owned()))
            .flatten()
    })
}

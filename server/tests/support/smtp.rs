//! A real SMTP server (aiosmtpd) that keeps what it takes.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

/// Who has to sign in, where somebody has to.
pub const USERNAME: &str = "quarterdeck";
/// Their password.
pub const PASSWORD: &str = "a password for mail";

/// What a server is started with.
#[derive(Debug, Clone, Copy)]
pub struct SmtpOptions {
    /// `none`, `starttls` or `implicit`.
    pub tls: &'static str,
    /// Whether [`USERNAME`] has to sign in.
    pub sign_in: bool,
    /// How many messages are refused before the first is taken.
    pub refuse: u32,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            tls: "none",
            sign_in: false,
            refuse: 0,
        }
    }
}

/// A server on 127.0.0.1; its certificate is for `localhost`.
pub struct SmtpServer {
    process: Child,
    pub port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
    files: tempfile::TempDir,
}

impl SmtpServer {
    pub fn start(options: SmtpOptions) -> Self {
        let files = tempfile::tempdir().unwrap();
        certificates(files.path());
        let port = quarterdeck_estate::port::free().unwrap();
        let who = |text: &str| if options.sign_in { json!(text) } else { Value::Null };
        let asked = json!({
            "port": port,
            "tls": options.tls,
            "certificate": files.path().join("server.pem"),
            "key": files.path().join("server.key"),
            "username": who(USERNAME),
            "password": who(PASSWORD),
            "refuse": options.refuse,
        });
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp_server.py");
        // Debian's own Python, which finds Debian's aiosmtpd; another one stands before it on some machines.
        let mut process = Command::new("/usr/bin/python3")
            .args([script, &asked.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It tells of each client that breaks off.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(
            matches!(lines.next(), Some(Ok(ready)) if ready.contains("ready")),
            "no SMTP server; make setup-test installs python3-aiosmtpd"
        );
        let taken = Arc::new(Mutex::new(Vec::new()));
        std::thread::spawn({
            let taken = Arc::clone(&taken);
            move || {
                for line in lines.map_while(Result::ok) {
                    taken.lock().unwrap().push(serde_json::from_str(&line).unwrap());
                }
            }
        });
        Self {
            process,
            port,
            taken,
            files,
        }
    }

    /// The section of the configuration that leads to it.
    pub fn section(&self, more: &str) -> String {
        format!(
            "[email]\nhost = 'localhost'\nport = {}\nfrom = 'Quarterdeck <quarterdeck@example.org>'\n{more}\n",
            self.port
        )
    }

    /// PEM file with the authority that its certificate comes from.
    pub fn authority(&self) -> std::path::PathBuf {
        self.files.path().join("authority.pem")
    }

    /// What it has taken, in order.
    pub fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// What it has taken for one address, in order.
    pub fn taken_for(&self, address: &str) -> Vec<Value> {
        let mut taken = self.taken();
        taken.retain(|message| message["to"] == json!([address]));
        taken
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// An authority, and a certificate of it for `localhost`.
fn certificates(directory: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&key).unwrap();
    std::fs::write(directory.join("authority.pem"), certificate.pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    std::fs::write(directory.join("server.pem"), server.pem()).unwrap();
    std::fs::write(directory.join("server.key"), key.serialize_pem()).unwrap();
}

//! A way to a server that breaks once something was told through it: requests pass, and so do answers until the first POST; that
//! one still reaches the server, and from then on nothing passes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// The way.
pub struct CuttingProxy {
    /// On 127.0.0.1.
    pub port: u16,
    cut: Arc<AtomicBool>,
}

impl CuttingProxy {
    /// Before the server on that port of 127.0.0.1.
    pub async fn before(server: u16) -> Self {
        Self::start(server, Arc::default()).await
    }

    /// One that breaks when `other` does.
    pub async fn together_with(other: &Self, server: u16) -> Self {
        Self::start(server, Arc::clone(&other.cut)).await
    }

    /// Whether it is broken.
    pub fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    async fn start(server: u16, cut: Arc<AtomicBool>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broken = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if broken.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(pass(client, server, Arc::clone(&broken)));
            }
        });
        Self { port, cut }
    }
}

async fn pass(mut client: TcpStream, server: u16, cut: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut to_server = TcpStream::connect(("127.0.0.1", server)).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = to_server.split();
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            let told = buffer.starts_with(b"POST ");
            to_server.write_all(&buffer[..read]).await?;
            if told {
                cut.store(true, Ordering::SeqCst);
                // Its body may come by itself.
                if !buffer[..read].windows(4).any(|window| window == b"\r\n\r\n")
                    || buffer[..read].ends_with(b"\r\n\r\n")
                {
                    let read = from_client.read(&mut buffer).await?;
                    to_server.write_all(&buffer[..read]).await?;
                }
                return Ok(());
            }
        }
    };
    tokio::select! {
        done = requests => done,
        done = copy(&mut from_server, &mut to_client) => done.map(drop),
    }
}

//! Makes the embedding of the front end follow the front end.

use std::io;
use std::path::Path;

/// Where `cargo xtask front` puts the site that is embedded into the binary.
const SITE: &str = "../frontend/dist";

fn main() -> io::Result<()> {
    // A checkout without a built front end still compiles and tests: the directory is there and empty, and the
    // server says at start what it lacks.
    std::fs::create_dir_all(SITE)?;
    // rust-embed reads the directory while it compiles the crate, but doesn't tell cargo: a new build of the front end,
    // whose files have new names, would not be noticed.
    println!("cargo::rerun-if-changed={SITE}");
    println!("cargo::rerun-if-changed=build.rs");

    let built = Path::new(SITE).join("hash.txt").is_file();
    if !built && std::env::var("PROFILE").as_deref() == Ok("release") {
        println!(
            "cargo::warning=frontend/dist has no front end: this release will serve pages without styles and scripts; \
             run `cargo xtask front --release` first, then build again"
        );
    }
    Ok(())
}

//! `cargo xtask front`: everything between the Rust and CSS sources and the files a browser loads.
//!
//! No tool outside cargo is needed: wasm-bindgen, Lightning CSS, Brotli and gzip are linked as libraries, so
//! their versions are those of `Cargo.lock` (ADR 0001).

mod bindgen;
mod site;
mod style;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds and bundles the front end")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the WebAssembly, its loader and the style sheet into a directory the server embeds
    Front(FrontArgs),
}

#[derive(clap::Args)]
struct FrontArgs {
    /// Small and slow to build: what is shipped (the default)
    #[arg(long, conflicts_with = "dev")]
    release: bool,
    /// Quick to build, readable names in stack traces, fast compression
    #[arg(long)]
    dev: bool,
    /// Where the site goes; everything else in that directory is removed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What the two ways of building differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As shipped.
    Release,
    /// For the edit-and-look loop.
    Dev,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Front(args) => front(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn front(args: &FrontArgs) -> Result<()> {
    let started = Instant::now();
    let mode = if args.dev { Mode::Dev } else { Mode::Release };
    let root = workspace_root()?;
    let out = args.out.clone().unwrap_or_else(|| root.join("frontend/dist"));

    // The style sheet first: a mistake in it is found before the slow step.
    let css = style::bundle(&root.join("style/main.css"), mode)?;
    let module = bindgen::compile(&root, mode)?;

    let fingerprint = site::fingerprint(&module, &css, &root.join("style/assets"))?;
    if site::is_current(&out, &fingerprint) {
        eprintln!(
            "front end: {} is current ({:.1} s)",
            out.display(),
            started.elapsed().as_secs_f32()
        );
        return Ok(());
    }

    let bound = bindgen::bind(&module, mode)?;
    let written = site::write(&out, &fingerprint, &bound, &css, &root.join("style/assets"), mode)?;
    for file in &written {
        eprintln!("  {file}");
    }
    eprintln!(
        "front end: {} written ({:.1} s)",
        out.display(),
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

fn workspace_root() -> Result<PathBuf> {
    // CARGO_MANIFEST_DIR is <root>/frontend/xtask, and cargo sets it at run time too, so that a build directory
    // shared by two clones still works on the clone it was called in.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&here).join("../..");
    root.canonicalize().with_context(|| {
        format!(
            "the workspace of xtask is not at {}: call it as `cargo xtask`",
            root.display()
        )
    })
}

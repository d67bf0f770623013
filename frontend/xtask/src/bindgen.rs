//! From the crate `quarterdeck-frontend` to a WebAssembly module and the JavaScript that loads it.

use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use wasm_bindgen_cli_support::Bindgen;

use crate::Mode;

const CRATE: &str = "quarterdeck-frontend";
const TARGET: &str = "wasm32-unknown-unknown";

/// The pair that has to be served together: the loader knows the module's import table by heart.
pub struct Bound {
    /// JavaScript (ES module) that instantiates the module and exports `hydrate` and one function an island.
    pub js: Vec<u8>,
    /// The WebAssembly module.
    pub wasm: Vec<u8>,
}

/// Compiles the front end and returns the module as cargo leaves it.
///
/// # Errors
/// When cargo can't be started or doesn't build the crate; cargo has then said why on standard error.
pub fn compile(root: &Path, mode: Mode) -> Result<Vec<u8>> {
    let profile = match mode {
        Mode::Release => "wasm-release",
        Mode::Dev => "dev",
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .current_dir(root)
        .args([
            "build",
            "--package",
            CRATE,
            "--lib",
            "--target",
            TARGET,
            "--profile",
            profile,
        ])
        .args(["--message-format", "json-render-diagnostics"])
        // These replace the flags of .cargo/config.toml, without which the module gets several times larger.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo can't be started")?;

    let stdout = child.stdout.take().context("cargo's output is not connected")?;
    let mut module = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's messages can't be read")?
            && artifact.target.name == CRATE.replace('-', "_")
        {
            module = artifact
                .filenames
                .into_iter()
                .find(|file| file.extension() == Some("wasm"))
                .or(module);
        }
    }
    let status = child.wait().context("cargo went away")?;
    if !status.success() {
        bail!(
            "{CRATE} doesn't build for {TARGET} (see above; is the target there? `rustup target add {TARGET}`)"
        );
    }
    let module = module.with_context(|| format!("cargo built {CRATE} but named no .wasm file"))?;
    std::fs::read(&module).with_context(|| format!("{module} can't be read"))
}

/// Generates the loader and the module it loads.
///
/// # Errors
/// When the module was built for another version of wasm-bindgen, or a dependency brings JavaScript files of its own.
pub fn bind(module: &[u8], mode: Mode) -> Result<Bound> {
    let release = mode == Mode::Release;
    let mut bindgen = Bindgen::new();
    let mut output = bindgen
        .input_bytes("quarterdeck", module.to_vec())
        .web(true)?
        .typescript(false)
        .debug(!release)
        // Function names are two fifths of the module and of use only in a stack trace.
        .remove_name_section(release)
        .remove_producers_section(release)
        // The page hands the module's hashed address to the loader; the default would be a name that isn't there.
        .omit_default_module_path(true)
        .generate_output()
        .context(
            "wasm-bindgen refuses the module: the `wasm-bindgen` of the workspace and the \
             `wasm-bindgen-cli-support` of frontend/xtask must be the same version",
        )?;

    let inline = output
        .snippets()
        .iter()
        .filter(|(_, scripts)| !scripts.is_empty())
        .map(|(name, _)| name);
    let mut foreign: Vec<&String> = inline.chain(output.local_modules().keys()).collect();
    if !foreign.is_empty() {
        foreign.sort();
        bail!(
            "these bring JavaScript files of their own, which the site doesn't carry: {foreign:?}; \
             use a crate without them or teach frontend/xtask/src/site.rs to write them"
        );
    }
    Ok(Bound {
        js: output.js().as_bytes().to_vec(),
        wasm: output.wasm_mut().emit_wasm(),
    })
}

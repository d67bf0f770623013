//! The directory a browser is served from: names by content, compressed once, nothing left over.
//!
//! ```text
//! hash.txt                        js: H, wasm: H_bg, css: C (the lines Leptos reads) and inputs: F
//! pkg/quarterdeck.H.js            + .br + .gz
//! pkg/quarterdeck.H_bg.wasm       + .br + .gz
//! pkg/quarterdeck.C.css           + .br + .gz
//! …                               the files of style/assets under their own names
//! ```
//! Loader and module share the hash `H` of both: a page can't pair an old one with a new one.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use crate::Mode;
use crate::bindgen::Bound;

const NAME: &str = "quarterdeck";
const HASHES: &str = "hash.txt";

/// A change of the recipe makes what it wrote outdated, as a change of the ingredients does.
const RECIPE: [&str; 4] = [
    include_str!("main.rs"),
    include_str!("bindgen.rs"),
    include_str!("style.rs"),
    include_str!("site.rs"),
];

/// One file of the site with its sizes in bytes.
pub struct Written {
    path: PathBuf,
    plain: usize,
    gzip: usize,
    brotli: usize,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            plain,
            gzip,
            brotli,
        } = self;
        write!(
            f,
            "{:<44} {plain:>9} bytes, gzip {gzip:>8}, brotli {brotli:>8}",
            path.display()
        )
    }
}

/// A digest of everything the site is made from.
///
/// # Errors
/// When a file of `assets` can't be read.
pub fn fingerprint(module: &[u8], css: &str, assets: &Path) -> Result<String> {
    let mut parts: Vec<Vec<u8>> = RECIPE.iter().map(|source| source.as_bytes().to_vec()).collect();
    parts.push(module.to_vec());
    parts.push(css.as_bytes().to_vec());
    for file in files_below(assets)? {
        parts.push(file.to_string_lossy().into_owned().into_bytes());
        parts
            .push(fs::read(assets.join(&file)).with_context(|| format!("{} can't be read", file.display()))?);
    }
    Ok(short_hash(parts.iter().map(Vec::as_slice)))
}

/// Whether `out` holds a complete site made from exactly these ingredients.
pub fn is_current(out: &Path, fingerprint: &str) -> bool {
    let Ok(hashes) = fs::read_to_string(out.join(HASHES)) else {
        return false;
    };
    let value = |key: &str| {
        hashes.lines().find_map(|line| {
            line.split_once(':')
                .filter(|(k, _)| *k == key)
                .map(|(_, v)| v.trim())
        })
    };
    let file_is_there = |key: &str, extension: &str| {
        value(key).is_some_and(|hash| {
            ["", ".br", ".gz"].iter().all(|packed| {
                out.join("pkg")
                    .join(format!("{NAME}.{hash}.{extension}{packed}"))
                    .is_file()
            })
        })
    };
    value("inputs") == Some(fingerprint)
        && file_is_there("js", "js")
        && file_is_there("wasm", "wasm")
        && file_is_there("css", "css")
}

/// Writes the site and removes what an earlier build left there.
///
/// # Errors
/// When `out` is neither empty nor a site (it could be anything), or can't be written.
pub fn write(
    out: &Path,
    fingerprint: &str,
    bound: &Bound,
    css: &str,
    assets: &Path,
    mode: Mode,
) -> Result<Vec<Written>> {
    refuse_foreign(out)?;
    let code = short_hash([bound.js.as_slice(), bound.wasm.as_slice()]);
    let module = format!("{code}_bg");
    let look = short_hash([css.as_bytes()]);
    let served = [
        (format!("pkg/{NAME}.{code}.js"), bound.js.as_slice()),
        (format!("pkg/{NAME}.{module}.wasm"), bound.wasm.as_slice()),
        (format!("pkg/{NAME}.{look}.css"), css.as_bytes()),
    ];

    let mut keep = BTreeSet::from([PathBuf::from(HASHES)]);
    let mut written = Vec::new();
    for (path, plain) in served {
        let gzip = gzip(plain, mode)?;
        let brotli = brotli(plain, mode)?;
        for (suffix, bytes) in [("", plain), (".gz", gzip.as_slice()), (".br", brotli.as_slice())] {
            let file = PathBuf::from(format!("{path}{suffix}"));
            put(&out.join(&file), bytes)?;
            keep.insert(file);
        }
        written.push(Written {
            path: path.into(),
            plain: plain.len(),
            gzip: gzip.len(),
            brotli: brotli.len(),
        });
    }
    for file in files_below(assets)? {
        let bytes =
            fs::read(assets.join(&file)).with_context(|| format!("{} can't be read", file.display()))?;
        put(&out.join(&file), &bytes)?;
        keep.insert(file);
    }
    // Last, because its presence says that the rest is complete.
    let hashes = format!("js: {code}\nwasm: {module}\ncss: {look}\ninputs: {fingerprint}\n");
    put(&out.join(HASHES), hashes.as_bytes())?;

    for file in files_below(out)? {
        if !keep.contains(&file) {
            let file = out.join(file);
            fs::remove_file(&file).with_context(|| format!("{} can't be removed", file.display()))?;
        }
    }
    Ok(written)
}

/// Everything in the directory that isn't ours would be swept away: so it has to be ours, or empty.
fn refuse_foreign(out: &Path) -> Result<()> {
    if !out.join(HASHES).is_file() && !files_below(out)?.iter().all(|file| file.starts_with("pkg")) {
        bail!(
            "{} holds files but no {HASHES}: it is not a site of this build, and writing one would delete them; \
             name another directory or empty it",
            out.display()
        );
    }
    Ok(())
}

/// The files below `dir` as paths relative to it, sorted; none if there is no such directory.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(next) = open.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("{} can't be listed", next.display())),
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(dir)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes beside and renames: a server that reads this directory never sees half a file.
fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("{} can't be written", file.display());
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).with_context(failed)?;
    }
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = file.with_file_name(name);
    fs::write(&part, bytes).with_context(failed)?;
    fs::rename(&part, file).with_context(failed)
}

fn gzip(plain: &[u8], mode: Mode) -> Result<Vec<u8>> {
    let level = match mode {
        Mode::Release => Compression::best(),
        Mode::Dev => Compression::fast(),
    };
    // Without a time stamp: the same sources give the same bytes.
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), level);
    encoder.write_all(plain)?;
    Ok(encoder.finish()?)
}

fn brotli(mut plain: &[u8], mode: Mode) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: match mode {
            Mode::Release => 11,
            Mode::Dev => 4,
        },
        size_hint: plain.len(),
        ..Default::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut plain, &mut packed, &params)?;
    Ok(packed)
}

/// 64 bits of SHA-256 in hexadecimal, over parts whose borders count.
fn short_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let fixture = Self {
                dir: tempfile::tempdir().unwrap(),
            };
            put(&fixture.assets().join("icons/favicon.svg"), b"<svg/>").unwrap();
            fixture
        }
        fn out(&self) -> PathBuf {
            self.dir.path().join("dist")
        }
        fn assets(&self) -> PathBuf {
            self.dir.path().join("assets")
        }
        fn write(&self, wasm: &[u8], css: &str) -> Result<String> {
            let bound = Bound {
                js: b"export function hydrate() {}".to_vec(),
                wasm: wasm.to_vec(),
            };
            let fingerprint = fingerprint(wasm, css, &self.assets())?;
            write(
                &self.out(),
                &fingerprint,
                &bound,
                css,
                &self.assets(),
                Mode::Release,
            )?;
            Ok(fingerprint)
        }
        fn hash(&self, key: &str) -> String {
            let text = fs::read_to_string(self.out().join(HASHES)).unwrap();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{key}: ")))
                .unwrap();
            line.to_owned()
        }
    }

    #[test]
    fn names_are_those_that_leptos_asks_for() {
        let site = Fixture::new();
        site.write(b"\0asm1", ".a{}").unwrap();
        for (key, extension) in [("js", "js"), ("wasm", "wasm"), ("css", "css")] {
            let file = site
                .out()
                .join(format!("pkg/quarterdeck.{}.{extension}", site.hash(key)));
            assert!(file.is_file(), "{}", file.display());
        }
        assert_eq!(
            site.hash("wasm"),
            format!("{}_bg", site.hash("js")),
            "a server without hash.txt finds the pair"
        );
        assert_eq!(fs::read(site.out().join("icons/favicon.svg")).unwrap(), b"<svg/>");
    }

    #[test]
    fn compressed_files_unpack_to_the_plain_one() {
        let site = Fixture::new();
        site.write(&[7; 5000], ".a{}").unwrap();
        let plain = site
            .out()
            .join(format!("pkg/quarterdeck.{}.wasm", site.hash("wasm")));
        let packed = |suffix: &str| fs::File::open(format!("{}{suffix}", plain.display())).unwrap();
        let mut from_gzip = Vec::new();
        flate2::read::GzDecoder::new(packed(".gz"))
            .read_to_end(&mut from_gzip)
            .unwrap();
        let mut from_brotli = Vec::new();
        brotli::Decompressor::new(packed(".br"), 4096)
            .read_to_end(&mut from_brotli)
            .unwrap();
        assert_eq!(from_gzip, vec![7; 5000]);
        assert_eq!(from_brotli, vec![7; 5000]);
        assert!(packed(".br").metadata().unwrap().len() < 100);
    }

    #[test]
    fn a_new_build_replaces_the_old_one_entirely() {
        let site = Fixture::new();
        site.write(b"\0asm1", ".a{}").unwrap();
        let (code, look) = (site.hash("js"), site.hash("css"));
        fs::remove_file(site.assets().join("icons/favicon.svg")).unwrap();
        site.write(b"\0asm2", ".a{}").unwrap();
        assert_ne!(site.hash("js"), code, "the loader's name follows the module");
        assert_eq!(site.hash("css"), look, "what did not change stays cached");
        // Three files, each plain and in two compressions, and hash.txt.
        assert_eq!(files_below(&site.out()).unwrap().len(), 10);
    }

    #[test]
    fn current_means_same_ingredients_and_nothing_missing() {
        let site = Fixture::new();
        assert!(!is_current(&site.out(), "anything"));
        let fingerprint = site.write(b"\0asm1", ".a{}").unwrap();
        assert!(is_current(&site.out(), &fingerprint));
        assert!(!is_current(&site.out(), "other"));
        fs::remove_file(
            site.out()
                .join(format!("pkg/quarterdeck.{}.css.br", site.hash("css"))),
        )
        .unwrap();
        assert!(!is_current(&site.out(), &fingerprint));
    }

    #[test]
    fn a_directory_that_is_not_a_site_is_left_alone() {
        let site = Fixture::new();
        put(&site.out().join("thesis.txt"), b"the only copy").unwrap();
        let refused = site.write(b"\0asm1", ".a{}").unwrap_err().to_string();
        assert!(
            refused.contains("thesis") || refused.contains("not a site"),
            "{refused}"
        );
        assert_eq!(fs::read(site.out().join("thesis.txt")).unwrap(), b"the only copy");
    }
}

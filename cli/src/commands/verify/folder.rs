//! `pillarbox verify --archive`: a copy of the archive, by itself.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use pillarbox_domain::archive::layout;
use pillarbox_domain::integrity::folder::{ArchiveFolder, FolderCounts, Verified, verify};
use serde::Serialize;

use super::report::{Finding, SealLink};
use super::text;
use crate::arguments::Global;
use crate::error::{Error, count};
use crate::paint::{Paint, Tone};
use crate::problem::shown;

/// A folder on this machine.
struct Folder<'a>(&'a Path);

/// The result, as JSON.
#[derive(Serialize)]
struct Report {
    seals: u64,
    manifests: u64,
    objects: u64,
    events: u64,
    stored_bytes: u64,
    last_seal: Option<SealLink>,
    findings: Vec<Finding>,
    unchecked: Vec<String>,
}

pub fn run(path: &Path, global: &Global) -> Result<(), Error> {
    let verified = verify(&Folder(path)).map_err(|source| Error::ReadArchive {
        path: path.display().to_string(),
        source,
    })?;
    if verified.counts == FolderCounts::default() {
        return Err(Error::NoArchive {
            path: path.display().to_string(),
        });
    }
    let report = Report::of(verified);
    let paint = Paint::of_stdout();
    global
        .output()
        .print(&report, |report| report.text(paint))?;
    match u64::try_from(report.findings.len()).unwrap_or(u64::MAX) {
        0 => Ok(()),
        findings => Err(Error::FoundWrong { findings }),
    }
}

impl ArchiveFolder for Folder<'_> {
    type Error = io::Error;

    fn keys(&self) -> Result<Vec<String>, io::Error> {
        let mut keys = Vec::new();
        let mut folders = vec![self.0.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                match fs::metadata(&path)?.is_dir() {
                    true => folders.push(path),
                    false => keys.extend(self.key(&path)),
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, io::Error> {
        let path: PathBuf = key
            .split('/')
            .fold(self.0.to_owned(), |path, name| path.join(name));
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Folder<'_> {
    /// The key of a file; what is no text can be none of the archive's, and has a key that it does not know.
    fn key(&self, path: &Path) -> Option<String> {
        let path = path.strip_prefix(self.0).ok()?;
        let names = path.iter().map(|name| name.to_string_lossy());
        Some(names.collect::<Vec<_>>().join("/"))
    }
}

impl Report {
    fn of(verified: Verified) -> Self {
        let FolderCounts {
            seals,
            manifests,
            objects,
            events,
            stored_bytes,
        } = verified.counts;
        Self {
            seals,
            manifests,
            objects,
            events,
            stored_bytes,
            last_seal: verified.last_seal.map(|link| SealLink {
                key: link.key,
                sha256: link.sha256,
            }),
            findings: verified.findings.into_iter().map(Finding::of).collect(),
            unchecked: verified.unchecked,
        }
    }

    fn text(&self, paint: Paint) -> String {
        let Self {
            seals,
            manifests,
            objects,
            events,
            stored_bytes,
            ..
        } = self;
        let mut parts = vec![format!(
            "{}, {}, {} with {} in {}",
            count(*seals, "seal"),
            count(*manifests, "manifest"),
            count(*objects, "object"),
            count(*events, "event"),
            count(*stored_bytes, "byte"),
        )];
        if let Some(SealLink { key, sha256 }) = &self.last_seal {
            parts.push(format!(
                "the chain ends with {}\n  SHA-256 {}\n  nothing was cut off it if that was the `head` of `pillarbox verify --json` when the copy was made",
                shown(key),
                shown(sha256)
            ));
        }
        if !self.unchecked.is_empty() {
            let notes = self
                .unchecked
                .iter()
                .map(|note| format!("  {}", shown(note)));
            let notes: Vec<String> = notes.collect();
            let heading = paint.apply(Tone::Open, "not verified");
            parts.push(format!("{heading}\n{}", notes.join("\n")));
        }
        parts.extend(text::findings(&self.findings, paint));
        parts.join("\n\n")
    }
}

impl Finding {
    fn of(found: pillarbox_domain::integrity::Finding) -> Self {
        Self {
            kind: found.kind.name().to_owned(),
            hour: found.hour.map(layout::hour_text),
            message: found.message,
            event_ids: found.event_ids.iter().map(ToString::to_string).collect(),
            event_count: found.event_count,
            object: found.object,
        }
    }
}

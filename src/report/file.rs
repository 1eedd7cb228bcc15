//! The report file: a place in the workspace is taken before anything happens, and the document
//! there is replaced atomically from then on.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::Report;

/// A place that belongs to this run.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    owner: Option<(u32, u32)>,
}

/// Names that are tried (`-2`, `-3` …) before giving up.
const MOST_NAMES: u32 = 10_000;

impl ReportFile {
    /// Takes the wanted path, or the next free one (`report-2.json`): an existing file is never
    /// overwritten. `roots` are the folders it must lie in, links resolved; the first gives the
    /// file's owner, since an action runs as root in a workspace that is not root's.
    ///
    /// # Errors
    ///
    /// When the folder is outside, or nothing can be written there.
    pub fn take(wanted: &Path, roots: &[PathBuf]) -> anyhow::Result<Self> {
        let folder = wanted.parent().context("it has no folder")?;
        let owner = roots.first().and_then(|root| fs::metadata(root).ok()).map(|root| (root.uid(), root.gid()));
        make_folder(folder, roots, owner)?;
        let stem = wanted.file_stem().context("it has no name")?.to_string_lossy().into_owned();
        let extension = wanted.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
        for number in 1..=MOST_NAMES {
            let counter = if number == 1 { String::new() } else { format!("-{number}") };
            let path = folder.join(format!("{stem}{counter}{}", extension.as_deref().unwrap_or_default()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => {
                    let file = Self { path, owner };
                    file.hand_over(&file.path)?;
                    return Ok(file);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("{} cannot be made", path.display())),
            }
        }
        bail!("{} and {MOST_NAMES} names after it are taken", wanted.display())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the document: a reader sees the one before or this one, whole.
    ///
    /// # Errors
    ///
    /// When it cannot be written, for want of space for one.
    pub fn write(&self, report: &Report) -> anyhow::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let fresh = self.path.with_file_name(format!(".{name}.{:016x}", getrandom::u64().unwrap_or_default()));
        let written = self.write_fresh(&fresh, report).and_then(|()| fs::rename(&fresh, &self.path));
        if written.is_err() {
            // what is half-written must not stay; that it could not be written is what is told
            let _ = fs::remove_file(&fresh);
        }
        written.with_context(|| format!("the report {} cannot be written", self.path.display()))
    }

    fn write_fresh(&self, fresh: &Path, report: &Report) -> io::Result<()> {
        let mut writer = io::BufWriter::new(OpenOptions::new().write(true).create_new(true).open(fresh)?);
        serde_json::to_writer_pretty(&mut writer, report)?;
        writer.write_all(b"\n")?;
        writer.flush()?;
        self.hand_over(fresh)
    }

    /// Readable for the runner's user whatever the umask, and theirs if we may give it away.
    fn hand_over(&self, path: &Path) -> io::Result<()> {
        fs::set_permissions(path, Permissions::from_mode(0o644))?;
        give(path, self.owner);
        Ok(())
    }
}

/// Gives a path to the workspace's owner; only root may, and for others it is theirs already.
fn give(path: &Path, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        let _ = chown(path, Some(user), Some(group));
    }
}

/// Makes a folder below one of the roots; a link that leads out of them is refused.
fn make_folder(folder: &Path, roots: &[PathBuf], owner: Option<(u32, u32)>) -> anyhow::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    let existing = missing.last().map_or(Some(folder), |first| first.parent()).context("there is no such folder")?;
    let real = existing.canonicalize().with_context(|| format!("{} cannot be read", existing.display()))?;
    let inside = roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root));
    if !inside {
        bail!("{} leads out of the workspace", folder.display());
    }
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        give(folder, owner);
    }
    Ok(())
}

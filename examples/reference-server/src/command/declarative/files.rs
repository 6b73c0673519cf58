//! Files with documents.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hexabase_core::error::{Error, Result};

/// Maximum size of all files in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Maximum number of files.
const MAX_FILES: usize = 1_000;
/// Maximum nesting of folders.
const MAX_FOLDER_DEPTH: usize = 16;

/// Reads the documents at a path: a file, the files `*.yaml` and `*.yml` in a folder and in the folders below it, or `-`
/// for standard input. Hidden files and folders are skipped. Returns the name and the text of each file.
///
/// # Errors
/// `Invalid` for files that cannot be read, and for more than the maximum.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            files.push(path.clone());
        } else {
            list(path, 0, &mut files)?;
        }
    }
    let (mut texts, mut left) = (Vec::new(), MAX_BYTES);
    for file in files {
        let unreadable =
            |error: std::io::Error| invalid(format!("{} cannot be read: {error}", file.display()));
        let mut text = String::new();
        // One byte more than the maximum, to detect a larger file.
        let size = match file.as_os_str() == "-" {
            true => std::io::stdin().take(left + 1).read_to_string(&mut text),
            false => {
                std::fs::File::open(&file).and_then(|opened| opened.take(left + 1).read_to_string(&mut text))
            }
        };
        let size = u64::try_from(size.map_err(unreadable)?).unwrap_or(u64::MAX);
        left = left.checked_sub(size).ok_or_else(|| {
            invalid(format!(
                "there are more than {} MiB of documents; apply fewer of them at once",
                MAX_BYTES >> 20
            ))
        })?;
        let name =
            if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
        texts.push((name, text));
    }
    Ok(texts)
}

fn list(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |error: std::io::Error| invalid(format!("{} cannot be read: {error}", path.display()));
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return match files.len() > MAX_FILES {
            true => {
                Err(invalid(format!("there are more than {MAX_FILES} files; apply fewer of them at once")))
            }
            false => Ok(()),
        };
    }
    if depth == MAX_FOLDER_DEPTH {
        return Err(invalid(format!("{} is nested too deeply", path.display())));
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut entries: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .map_err(unreadable)?;
    entries.sort();
    for entry in entries {
        let is_hidden = entry.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let is_document =
            entry.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if !is_hidden && (is_document || entry.is_dir()) {
            list(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

fn invalid(message: String) -> Error {
    Error::invalid("filename", message)
}

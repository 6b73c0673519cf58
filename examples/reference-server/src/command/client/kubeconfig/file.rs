//! Changes of a kubeconfig file that other programs change too. As in kubectl (client-go, `clientcmd`), a program may
//! change the file while it has created the file `<file>.lock`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use tokio::time::sleep;

use super::unusable;
use crate::config::with_suffix;
use crate::files;

/// Interval between attempts to take a lock, and number of attempts: ten seconds in total.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);
const LOCK_ATTEMPTS: u32 = 500;

/// Replaces the text of a kubeconfig by the result of `change`; `None` for a text that is no kubeconfig. A missing file
/// counts as empty.
///
/// # Errors
/// `Invalid` if the file cannot be read or written, and `Unavailable` if it stays locked.
pub(super) async fn change(file: &Path, change: impl FnOnce(&str) -> Option<String>) -> Result<()> {
    let failed = |error: std::io::Error| unusable(file, &error.to_string());
    let target = files::resolve_links(file).map_err(failed)?;
    for folder in [file, &target].into_iter().filter_map(Path::parent) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Other programs lock the file under the name that they know. All take the two locks in the same order.
    let mut locked = vec![file.to_owned(), target.clone()];
    locked.sort_unstable();
    locked.dedup();
    let mut locks = Vec::new();
    for file in &locked {
        locks.push(Lock::acquire(file).await?);
    }
    let text = match std::fs::read_to_string(&target) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let changed = change(&text).ok_or_else(|| unusable(file, "it is not a kubeconfig"))?;
    files::replace(&target, &changed).map_err(failed)
}

/// Lock file that this process has created. It is removed on drop.
struct Lock(PathBuf);

impl Lock {
    /// Creates the lock file, and waits while it exists.
    async fn acquire(file: &Path) -> Result<Self> {
        let lock = with_suffix(file, "lock");
        for _ in 0..LOCK_ATTEMPTS {
            match File::options().write(true).create_new(true).mode(0o600).open(&lock) {
                Ok(_) => return Ok(Self(lock)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => sleep(LOCK_POLL_INTERVAL).await,
                Err(error) => return Err(unusable(&lock, &error.to_string())),
            }
        }
        let message = format!(
            "{} is locked by another program; if none is running that changes it, remove {}",
            file.display(),
            lock.display()
        );
        Err(Error::unavailable(message))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Another program may have removed it as stale.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use hexabase_core::error::ErrorKind;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn concurrent_changes_through_links_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real/config");
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        symlink("real/config", &first).unwrap();
        symlink("first", &second).unwrap();
        let paths = [real.clone(), first, second];
        let writers: Vec<_> = (0..12)
            .map(|number| {
                let path = paths[number % 3].clone();
                tokio::spawn(async move {
                    for line in 0..10 {
                        let append = |text: &str| Some(format!("{text}{number}-{line}\n"));
                        change(&path, append).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let text = std::fs::read_to_string(&real).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 120, "{text}");
        let left: Vec<_> = std::fs::read_dir(real.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no lock and no temporary file stays: {left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_stays_is_reported_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["config", "link"].map(|name| folder.path().join(name));
        symlink("config", &link).unwrap();
        let lock = folder.path().join("config.lock");
        std::fs::write(&lock, "").unwrap();
        for path in [&file, &link] {
            let error = change(path, |_| Some(String::new())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.message().contains(lock.to_str().unwrap()), "{error}");
        }
        assert!(!file.exists() && !with_suffix(&link, "lock").exists());
        std::fs::remove_file(&lock).unwrap();
        change(&link, |_| Some("done".to_owned())).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "done");
    }

    #[tokio::test]
    async fn a_rejected_change_keeps_the_file_and_removes_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, "[").unwrap();
        assert_eq!(change(&file, |_| None).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "[");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

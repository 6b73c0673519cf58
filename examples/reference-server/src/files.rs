//! Files that the program writes. Each is replaced or created as a whole, so that readers and other writers never see a
//! part of it.

use std::fs::{File, Metadata, Permissions};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use hexabase_core::id_source::{IdSourceExt as _, SystemIds};
use hexabase_core::secret::{ExposeSecret as _, SecretString};

/// Mode of a file that only its owner can read and write.
const PRIVATE: u32 = 0o600;
/// Maximum number of symbolic links that are followed, as in Linux.
const MAX_LINKS: usize = 40;

/// Replaces a file, or creates it for its owner only. An existing file keeps its mode and owner. A symbolic link stays,
/// and the file that it points to is replaced.
pub(crate) fn replace(file: &Path, text: &str) -> Result<()> {
    let file = resolve_links(file)?;
    let existing = match std::fs::metadata(&file) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Temporary::create(&file, text, existing.as_ref())?.rename_to(&file)
}

/// Replaces or creates a file that only its owner can read, whatever its mode was. Follows symbolic links.
pub(crate) fn replace_private(file: &Path, text: &str) -> Result<()> {
    let file = resolve_links(file)?;
    Temporary::create(&file, text, None)?.rename_to(&file)
}

/// Reads a secret from a file. Creates the file, for its owner only, if it does not exist. Concurrent processes return
/// the same secret.
pub(crate) fn load_or_create(
    file: &Path,
    create: impl FnOnce() -> Result<SecretString>,
) -> Result<SecretString> {
    let file = resolve_links(file)?;
    match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read.map(SecretString::from),
    }
    let secret = create()?;
    let temporary = Temporary::create(&file, secret.expose_secret(), None)?;
    // Unlike a rename, a link never replaces the file of another process.
    match std::fs::hard_link(&temporary.0, &file) {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::read_to_string(&file).map(SecretString::from)
        }
        Err(error) => Err(error),
    }
}

/// Returns the file that a path leads to after all symbolic links. It need not exist.
pub(crate) fn resolve_links(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // It is no symbolic link.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::other("it leads through too many symbolic links"))
}

/// Complete file with a unique name, in the directory of the file that it becomes. It is removed on drop.
struct Temporary(PathBuf);

impl Temporary {
    /// Writes the file, with the mode and owner of the file that it replaces.
    fn create(file: &Path, text: &str, replaced: Option<&Metadata>) -> Result<Self> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}.new", u64::from_be_bytes(SystemIds::default().bytes())));
        let temporary = Self(file.with_file_name(name));
        let mut opened = File::options().write(true).create_new(true).mode(PRIVATE).open(&temporary.0)?;
        opened.write_all(text.as_bytes())?;
        if let Some(replaced) = replaced {
            let created = opened.metadata()?;
            if (created.uid(), created.gid()) != (replaced.uid(), replaced.gid()) {
                // Only root may give a file away; another user becomes the owner of the new file.
                let _ = fchown(&opened, Some(replaced.uid()), Some(replaced.gid()));
            }
            opened.set_permissions(Permissions::from_mode(replaced.mode() & 0o7777))?;
        }
        opened.sync_all()?;
        Ok(temporary)
    }

    fn rename_to(self, file: &Path) -> Result<()> {
        std::fs::rename(&self.0, file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is no such file any more.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Barrier;

    use super::*;

    fn mode(file: &Path) -> u32 {
        std::fs::metadata(file).unwrap().mode() & 0o777
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_the_links_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling] = ["file", "link", "dangling"].map(|name| folder.path().join(name));
        replace(&file, "1").unwrap();
        assert_eq!(mode(&file), 0o600);
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        replace(&link, "2").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "2");
        assert_eq!((mode(&file), std::fs::read_link(&link).unwrap()), (0o640, PathBuf::from("file")));
        replace_private(&link, "3").unwrap();
        assert_eq!((std::fs::read_to_string(&file).unwrap(), mode(&file)), ("3".to_owned(), 0o600));
        symlink("created", &dangling).unwrap();
        replace(&dangling, "4").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("created")).unwrap(), "4");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "no temporary file stays");
        symlink("loop", folder.path().join("loop")).unwrap();
        replace(&folder.path().join("loop"), "5").unwrap_err();
    }

    #[test]
    fn concurrent_processes_create_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let barrier = Barrier::new(12);
        let load = |number: usize| {
            let create = || {
                // All have seen that there is no file.
                barrier.wait();
                Ok(SecretString::from(number.to_string()))
            };
            load_or_create(&file, create).unwrap().expose_secret().to_owned()
        };
        let found: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12).map(|number| scope.spawn(move || load(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let stored = std::fs::read_to_string(&file).unwrap();
        assert!(found.iter().all(|secret| *secret == stored), "{found:?}");
        assert_eq!((mode(&file), std::fs::read_dir(folder.path()).unwrap().count()), (0o600, 1));
    }
}

//! Secrets out of files: the one place that reads them.
//!
//! A secret stands in a file of its own, never in the configuration's text that people copy and mail.
//! A file that every user of the machine may read or write is refused: whoever reads it can make the
//! pseudonyms again, or speak as the hospital. A pipe, as a shell or a service manager passes secrets,
//! has no such mode and is taken. What is read prints as `***` and its spaces and line ends around are
//! not part of it.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// The longest secret: a key with its chain of certificates stays far below.
pub const MAX_BYTES: u64 = 64 << 10;

/// Why a secret is not taken. Holds the path, never content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the secret file {0} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// Every user of the machine may read or write it.
    #[error("the secret file {0} is open to every user of this machine (mode {1:o}); run: chmod o-rwx {0}")]
    Open(PathBuf, u32),
    /// Nothing stands in it.
    #[error("the secret file {0} is empty")]
    Empty(PathBuf),
    /// More stands in it than a secret has.
    #[error("the secret file {0} holds more than {MAX_BYTES} bytes")]
    TooLong(PathBuf),
    /// Not one line of text where one is wanted.
    #[error("the secret file {0} must hold one line of printable characters")]
    NotText(PathBuf),
}

/// A secret. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    bytes: Vec<u8>,
    path: PathBuf,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// Its bytes, without spaces and line ends around.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One line of printable ASCII: what fits a header or a property.
    ///
    /// # Errors
    /// [`Error::NotText`].
    pub fn line(&self) -> Result<String, Error> {
        let text = std::str::from_utf8(&self.bytes).ok();
        let text = text.filter(|t| t.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
        text.map(str::to_owned).ok_or_else(|| Error::NotText(self.path.clone()))
    }
}

/// Reads a secret.
///
/// # Errors
/// When the file cannot be read, is open to every user of the machine, empty or too long.
pub fn read(path: &Path) -> Result<Secret, Error> {
    let cannot = |e| Error::Read(path.to_owned(), e);
    let file = File::open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    if let Some(mode) = open_to_all(&about) {
        return Err(Error::Open(path.to_owned(), mode));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLong(path.to_owned()));
    }
    let bytes = bytes.trim_ascii().to_vec();
    if bytes.is_empty() {
        return Err(Error::Empty(path.to_owned()));
    }
    Ok(Secret { bytes, path: path.to_owned() })
}

/// The mode of a regular file that users besides its owner and group may read or write.
#[cfg(unix)]
fn open_to_all(about: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = about.permissions().mode() & 0o777;
    (about.is_file() && mode & 0o006 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_all(_: &std::fs::Metadata) -> Option<u32> {
    None
}

/// Writes a secret so that only its owner may read it; for tests and tools that make one.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_open_to_all_is_refused_and_nothing_of_a_secret_is_told() {
        let folder = std::env::temp_dir().join(format!("bedwatch-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("key");
        write(&path, b" canary-4711 \r\n\n").unwrap();
        for (mode, taken) in [
            (0o600, true),
            (0o400, true),
            (0o640, true),
            (0o660, true),
            (0o641, true),
            (0o644, false),
            (0o604, false),
            (0o602, false),
            (0o666, false),
            (0o444, false),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = read(&path);
            assert_eq!(read.is_ok(), taken, "{mode:o}");
            assert!(!format!("{read:?}").contains("canary"), "{mode:o}");
            match read {
                Ok(secret) => assert_eq!(secret.bytes(), b"canary-4711"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("chmod o-rwx") && !text.contains("canary"), "{text}");
                }
            }
        }
        for (content, line) in
            [(&b"one"[..], true), (b"two words", true), (b"a\nb", false), (b"\xff", false), (b"\x07", false)]
        {
            std::fs::remove_file(&path).unwrap();
            write(&path, content).unwrap();
            assert_eq!(read(&path).unwrap().line().is_ok(), line, "{content:?}");
        }
        write(&path, b" \n").unwrap();
        assert!(matches!(read(&path), Err(Error::Empty(_))));
        write(&path, &vec![b'x'; MAX_BYTES as usize]).unwrap();
        assert!(read(&path).is_ok());
        write(&path, &vec![b'x'; MAX_BYTES as usize + 1]).unwrap();
        assert!(matches!(read(&path), Err(Error::TooLong(_))));
        assert!(matches!(read(&folder.join("none")), Err(Error::Read(..))));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

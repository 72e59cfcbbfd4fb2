//! Archives of stays: `.tar`, `.tar.gz` (`.tgz`) and `.tar.zst`, known by their content.
//!
//! A packed stream can only be read from front to back, stays are asked for in the order of their names and
//! from several threads, and a WFDB record is several members. So an archive is unpacked once, when it is
//! opened, member by member into one file without a name, of which memory holds the index (name, first
//! byte, length). That was chosen over a pass that hands out stays in the archive's order, because order and
//! results would depend on who asks when, and one large member would fill the memory; and over a folder of
//! files, because a file without a name is nobody else's to read, is gone with the process however that
//! ends, and no member's name ever reaches the file system. Disk is taken for the unpacked bytes, in the
//! system's temporary folder.
//!
//! A member whose name leaves the archive (absolute, or with `..`) and one that stands twice are refused by
//! name; a damaged archive fails by the name of the member where it breaks, and gives no stays: what is left
//! of it could pass for the whole. Links and devices are no files here.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    error::{Error, Fault},
    lines::latin,
    safe_name,
};

/// A header of a tar member, in bytes, and where its magic stands (POSIX.1-1988; GNU's begins alike).
const BLOCK: usize = 512;
const MAGIC: (usize, &[u8]) = (257, b"ustar");

/// A member: its first byte in the file without a name, and its length.
#[derive(Debug, Clone, Copy)]
struct Member {
    start: u64,
    length: u64,
}

/// An archive, unpacked.
pub struct Archive {
    path: PathBuf,
    /// By path: the archive's own and the member's within.
    members: BTreeMap<PathBuf, Member>,
    /// Members that are no files.
    others: Vec<PathBuf>,
    file: File,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive({}, {} members)", self.path.display(), self.members.len())
    }
}

impl Archive {
    /// Unpacks the archive at a path; `None` where the content is no archive's.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or holds a name that is refused.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let name = safe_name(path);
        let io = |e: io::Error| Error::io(&name, &e);
        let mut input = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
        let magic = input.fill_buf().map_err(io)?;
        let mut stream: Box<dyn Read> = if magic.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            Box::new(zstd::stream::read::Decoder::with_buffer(input).map_err(io)?)
        } else if magic.starts_with(&[0x1F, 0x8B]) {
            Box::new(MultiGzDecoder::new(input))
        } else {
            Box::new(input)
        };
        let mut head = Vec::new();
        let read = stream.by_ref().take(BLOCK as u64).read_to_end(&mut head);
        let (at, magic) = MAGIC;
        if !head.get(at..).is_some_and(|h| h.starts_with(magic)) {
            // Damaged before the first member: the name is believed.
            return match read {
                Err(error) if is_named_so(path) => Err(damaged(&name, "before the first member", &error)),
                _ => Ok(None),
            };
        }
        Unpacking::new(path, name)?.all(io::Cursor::new(head).chain(stream)).map(Some)
    }

    /// The archive's own path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The paths of the members that are files, in order.
    pub fn members(&self) -> impl Iterator<Item = &PathBuf> {
        self.members.keys()
    }

    /// The paths of the members that are no files.
    pub fn others(&self) -> &[PathBuf] {
        &self.others
    }

    /// The paths of the files directly in a folder of the archive, in order.
    pub fn members_of(&self, folder: &Path) -> Vec<PathBuf> {
        self.members.keys().filter(|m| m.parent() == Some(folder)).cloned().collect()
    }

    /// Whether a path is a member's that is a file.
    pub fn holds(&self, path: &Path) -> bool {
        self.members.contains_key(path)
    }

    /// The bytes of a member.
    ///
    /// # Errors
    /// When there is none of that path.
    pub fn member(self: &Arc<Self>, path: &Path) -> io::Result<Bytes> {
        let member = *self.members.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Bytes { archive: self.clone(), member, at: 0 })
    }
}

/// Whether a name says that a file is an archive.
fn is_named_so(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| name.ends_with(end))
}

/// A member's name as it may be printed.
fn printed(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_./".contains(c) { c } else { '_' };
    name.chars().take(128).map(keep).collect()
}

fn damaged(archive: &str, place: &str, error: &io::Error) -> Error {
    Error::file(archive, Fault::Damaged(format!("{place} ({})", error.kind())))
}

/// An archive while it is unpacked.
struct Unpacking {
    name: String,
    archive: Archive,
    /// The end of what is written.
    at: u64,
    /// Where the stream stands, in words.
    place: String,
}

impl Unpacking {
    fn new(path: &Path, name: String) -> Result<Self, Error> {
        let file = tempfile::tempfile().map_err(|e| Error::io(&name, &e))?;
        let archive = Archive { path: path.to_owned(), members: BTreeMap::new(), others: Vec::new(), file };
        Ok(Self { name, archive, at: 0, place: "before the first member".to_owned() })
    }

    fn all(mut self, stream: impl Read) -> Result<Archive, Error> {
        let out = self.archive.file.try_clone().map_err(|e| Error::io(&self.name, &e))?;
        let mut out = BufWriter::with_capacity(1 << 16, out);
        let mut tar = tar::Archive::new(stream);
        let entries = tar.entries().map_err(|e| damaged(&self.name, &self.place, &e))?;
        for entry in entries {
            let entry = entry.map_err(|e| damaged(&self.name, &self.place, &e))?;
            self.member(entry, &mut out)?;
        }
        // What stands behind the last member is read too: it ends with the checksum of the stream.
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(|e| damaged(&self.name, &self.place, &e))?;
        out.flush().map_err(|e| Error::io(&self.name, &e))?;
        Ok(self.archive)
    }

    fn member(&mut self, mut entry: tar::Entry<'_, impl Read>, out: &mut impl Write) -> Result<(), Error> {
        let bytes = entry.path_bytes().into_owned();
        let text = latin(&bytes);
        let shown = printed(&text);
        let refused = |why: &str| Error::file(&self.name, Fault::Refused(format!("member {shown} {why}")));
        let kind = entry.header().entry_type();
        let within = within(Path::new(&text)).filter(|w| kind.is_dir() || w.file_name().is_some());
        let path = self.archive.path.join(within.ok_or_else(|| refused("leads out of the archive"))?);
        if !kind.is_file() {
            self.archive.others.extend((!kind.is_dir()).then_some(path));
            return Ok(());
        }
        if self.archive.members.contains_key(&path) {
            return Err(refused("stands twice"));
        }
        let place = format!("at member {shown}");
        let length = copy(&mut entry, out).map_err(|e| match e {
            Failed::Reading(e) => damaged(&self.name, &place, &e),
            Failed::Writing(e) => Error::io(&self.name, &e),
        })?;
        if length != entry.size() {
            return Err(damaged(&self.name, &place, &io::ErrorKind::UnexpectedEof.into()));
        }
        self.archive.members.insert(path, Member { start: self.at, length });
        self.at += length;
        self.place = format!("behind member {shown}");
        Ok(())
    }
}

/// Which side of a copy failed: the archive, or the disk it is unpacked to.
enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<u64, Failed> {
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    loop {
        let n = from.read(&mut buffer).map_err(Failed::Reading)?;
        if n == 0 {
            return Ok(length);
        }
        to.write_all(&buffer[..n]).map_err(Failed::Writing)?;
        length += n as u64;
    }
}

/// A member's path within the archive; `None` for one that leads out of it, or nowhere.
fn within(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(found)
}

/// The bytes of a member.
pub struct Bytes {
    archive: Arc<Archive>,
    member: Member,
    at: u64,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.member.length.saturating_sub(self.at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        // A place of its own for every reader: threads share the file and no cursor.
        let n = self.archive.file.read_at(&mut buffer[..most], self.member.start + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.member.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests;

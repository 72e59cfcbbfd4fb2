//! Where a file is: on disk, or in an archive ([`super::archive`]). Readers ask here for its bytes and for
//! what lies beside it, and need not know which.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::archive::Archive;

/// The bytes of a file.
pub type Input = Box<dyn ReadSeek>;

/// Bytes that can be read from any place.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// The length of an input in bytes; it stands at its beginning afterwards.
pub fn length(input: &mut Input) -> io::Result<u64> {
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(0))?;
    Ok(length)
}

/// A file.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    /// The archive it is a member of: its path is then that of the archive and its own within.
    archive: Option<Arc<Archive>>,
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self { path: path.to_owned(), archive: None }
    }
}

impl Place {
    /// A file at a path, which is a member's where an archive is named.
    pub fn new(path: PathBuf, archive: Option<Arc<Archive>>) -> Self {
        Self { path, archive }
    }

    /// Its path, for its name: a member's leads nowhere on disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The archive it is a member of.
    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.archive.as_ref()
    }

    /// Its bytes.
    pub fn open(&self) -> io::Result<Input> {
        match &self.archive {
            Some(archive) => Ok(Box::new(archive.member(&self.path)?)),
            None => Ok(Box::new(File::open(&self.path)?)),
        }
    }

    /// Its bytes as a whole; for small files only.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Its bytes as a whole; `None` where there are more than `most`.
    pub fn read_at_most(&self, most: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.open()?.take(most + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= most).then_some(bytes))
    }

    /// Whether there is such a file.
    pub fn is_file(&self) -> bool {
        match &self.archive {
            Some(archive) => archive.holds(&self.path),
            None => self.path.is_file(),
        }
    }

    /// The file of the same name with another end.
    pub fn with_extension(&self, end: &str) -> Self {
        Self { path: self.path.with_extension(end), archive: self.archive.clone() }
    }

    /// A file in the same folder.
    pub fn with_file_name(&self, name: impl AsRef<Path>) -> Self {
        Self { path: self.path.with_file_name(name.as_ref()), archive: self.archive.clone() }
    }

    /// The files of its folder whose names are its own but for what stands behind the last point, by that.
    pub fn same_stem(&self) -> Vec<(String, Self)> {
        let Some(folder) = self.path.parent() else { return Vec::new() };
        let files = match &self.archive {
            Some(archive) => archive.members_of(folder),
            None => on_disk(folder).into_iter().map(|p| p.path).collect(),
        };
        let of_stem = |path: PathBuf| {
            let end = path.extension()?.to_str()?.to_owned();
            let is_same = path.file_stem() == self.path.file_stem();
            is_same.then(|| (end, Self { path, archive: self.archive.clone() }))
        };
        files.into_iter().filter_map(of_stem).collect()
    }

    /// The files of its folder and of the folder above, in the order of their names; of a member also
    /// those beside its archive.
    pub fn neighbours(&self) -> Vec<Self> {
        let folders = self.path.ancestors().skip(1).take(2);
        let Some(archive) = &self.archive else {
            return folders.flat_map(on_disk).collect();
        };
        let members = folders.flat_map(|f| archive.members_of(f));
        let members = members.map(|path| Self { path, archive: Some(archive.clone()) });
        members.chain(archive.path().parent().into_iter().flat_map(on_disk)).collect()
    }
}

/// A folder, on disk or within an archive.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    archive: Option<Arc<Archive>>,
}

impl From<&Path> for Folder {
    fn from(path: &Path) -> Self {
        Self { path: path.to_owned(), archive: None }
    }
}

impl Folder {
    /// A folder at a path, which is one of members where an archive is named.
    pub fn new(path: PathBuf, archive: Option<Arc<Archive>>) -> Self {
        Self { path, archive }
    }

    /// Its path, for its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The archive it lies in.
    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.archive.as_ref()
    }

    /// A folder in it.
    pub fn inner(&self, name: &str) -> Self {
        Self { path: self.path.join(name), archive: self.archive.clone() }
    }

    /// What lies directly in it, in the order of names.
    pub fn files(&self) -> Vec<Place> {
        match &self.archive {
            None => on_disk(&self.path),
            Some(archive) => {
                let members = archive.members_of(&self.path).into_iter();
                members.map(|path| Place::new(path, Some(archive.clone()))).collect()
            }
        }
    }
}

fn on_disk(folder: &Path) -> Vec<Place> {
    // The folder of a path without one is here.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.sort();
    files.iter().map(|f| Place::from(f.as_path())).collect()
}

//! Parquet files as they lie there, whether a manifest lists them or not.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::file::metadata::ParquetMetaDataReader;

use super::ArchiveError;

/// The Parquet files of a folder, whoever wrote them; or this one.
pub(super) fn listed(path: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    if !path.exists() {
        return Err(ArchiveError::Missing(path.to_owned()));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    parquet_files(path, &mut found)?;
    if found.is_empty() {
        return Err(ArchiveError::Missing(path.to_owned()));
    }
    found.sort();
    Ok(found)
}

fn parquet_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ArchiveError> {
    for entry in std::fs::read_dir(folder).map_err(ArchiveError::io("read", folder))? {
        let path = entry.map_err(ArchiveError::io("read", folder))?.path();
        if path.is_dir() {
            parquet_files(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "parquet") {
            found.push(path);
        }
    }
    Ok(())
}

/// What is wrong with the first of some listed files that is not there or does not end as a Parquet file does.
pub fn first_damaged<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Option<ArchiveError> {
    paths.into_iter().find_map(|path| {
        if !path.exists() {
            return Some(ArchiveError::Lost(path.to_owned()));
        }
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return Some(ArchiveError::io("open", path)(error)),
        };
        let damaged = ParquetMetaDataReader::new().parse_and_finish(&file).err();
        damaged.map(|error| ArchiveError::Listed { path: path.to_owned(), what: error.to_string() })
    })
}

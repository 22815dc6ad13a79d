//! Where statements are remembered between runs: the user's state folder, readable by its owner alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Statements that are kept.
pub(super) const LENGTH: usize = 10_000;

/// `$XDG_STATE_HOME/weir/sql-history`; the folder is made. `None` when it cannot be had: then nothing is remembered.
///
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
pub(super) fn file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    private(&state.join("weir"))
}

fn private(folder: &Path) -> Option<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
    let file = folder.join("sql-history");
    if file.exists() {
        fs::set_permissions(&file, Permissions::from_mode(0o600)).ok()?;
    }
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state/weir");
        let file = private(&state).unwrap();
        assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(private(&state).unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

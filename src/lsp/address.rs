//! Paths and the addresses that clients have for them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;
use url::Url;

/// The path of an address. One that is no file's (`untitled:1`) stands for itself, and is not absolute.
pub(crate) fn path(uri: &Uri) -> PathBuf {
    let file = Url::parse(uri.as_str()).ok().and_then(|url| url.to_file_path().ok());
    file.unwrap_or_else(|| PathBuf::from(uri.as_str()))
}

/// The address of a path; `None` for what has none.
pub(crate) fn uri(path: &Path) -> Option<Uri> {
    match Url::from_file_path(path) {
        Ok(url) => Uri::from_str(url.as_str()).ok(),
        Err(()) => Uri::from_str(path.to_str()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_converted() {
        for (address, file) in [
            ("file:///a/b.weir", "/a/b.weir"),
            ("file:///a%20b/%C3%BC%23.weir", "/a b/ü#.weir"),
            ("untitled:Untitled-1", "untitled:Untitled-1"),
        ] {
            assert_eq!(path(&Uri::from_str(address).unwrap()), PathBuf::from(file));
            assert_eq!(uri(Path::new(file)).unwrap().as_str(), address);
        }
    }
}

//! Where an answer goes and in which form. In: `--output`, `--out` or `.output`. Out: rows in a file that is whole or not there.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::query::{self, Argument, Format, QueryError, Rows};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Output {
    /// For people
    Table,
    /// Comma-separated, with a head line
    Csv,
    /// A JSON object a row, one a line
    Json,
    /// Parquet, compressed with zstd
    Parquet,
    /// Arrow IPC: a stream to standard output, a file (Feather 2) with --out
    Arrow,
}

/// Writes rows in a form, for a terminal of this width if it is for one.
type Writes<'a, T> = dyn FnMut(Format, Option<u16>, &mut (dyn Write + Send)) -> Result<T, QueryError> + 'a;

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) output: Output,
    /// `None`: to standard output.
    pub(super) file: Option<PathBuf>,
}

impl Target {
    /// By what was asked for: a file's name tells the form where it is not said.
    pub(super) fn new(output: Option<Output>, file: Option<&Path>) -> anyhow::Result<Target> {
        let output = match (output, file) {
            (Some(output), _) => output,
            (None, None) => Output::Table,
            (None, Some(path)) => by_name(path)?,
        };
        let binary = matches!(output, Output::Parquet | Output::Arrow);
        if binary && file.is_none() && io::stdout().is_terminal() {
            bail!("a terminal cannot show {}: name a file with --out FILE, or send it through a pipe", word(output));
        }
        Ok(Target { output, file: file.map(Path::to_owned) })
    }

    fn format(&self) -> Format {
        let is_stream = |path: &Path| extension(path) == "arrows";
        match self.output {
            Output::Table => Format::Table,
            Output::Csv => Format::Csv,
            Output::Json => Format::Json,
            Output::Parquet => Format::Parquet,
            Output::Arrow if self.file.as_deref().is_none_or(is_stream) => Format::ArrowStream,
            Output::Arrow => Format::ArrowFile,
        }
    }

    /// Runs a statement and writes its rows to the file, or else to `screen`. Returns how many there were, and whether there
    /// are more.
    pub(super) fn write(
        &self,
        rows: &mut Rows<'_>,
        values: &BTreeMap<String, Argument>,
        width: Option<u16>,
        screen: &mut (dyn Write + Send),
    ) -> anyhow::Result<(u64, bool)> {
        self.put(screen, width, &mut |format, width, out| query::write(rows, values, format, width, out))
    }

    /// Has rows written to the file, or else to `screen`.
    pub(super) fn put<T>(
        &self,
        screen: &mut (dyn Write + Send),
        width: Option<u16>,
        write: &mut Writes<'_, T>,
    ) -> anyhow::Result<T> {
        match &self.file {
            None => Ok(write(self.format(), width, screen)?),
            Some(path) => to_file(path, |out| write(self.format(), None, out)),
        }
    }
}

/// Writes under another name first: a reader sees all of the file or the one before it. What is no file (a pipe, a device) is
/// written as it comes.
fn to_file<T>(path: &Path, write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, QueryError>) -> anyhow::Result<T> {
    let cannot = || format!("cannot write {}", path.display());
    // A link stays one: what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        let file = std::fs::File::options().write(true).open(&path).with_context(cannot)?;
        return Ok(write(&mut BufWriter::new(file))?);
    }
    let Some(name) = path.file_name().filter(|_| !path.is_dir()) else { bail!("{} is a folder", path.display()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = path.metadata().map_or(Permissions::from_mode(0o666), |meta| meta.permissions());
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .permissions(permissions)
        .tempfile_in(folder)
        .with_context(cannot)?;
    let written = write(&mut BufWriter::with_capacity(1 << 20, file.as_file_mut()))?;
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(&path).map_err(|e| e.error).with_context(cannot)?;
    Ok(written)
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The form that a file's name tells.
fn by_name(path: &Path) -> anyhow::Result<Output> {
    Ok(match extension(path).as_str() {
        "txt" => Output::Table,
        "csv" => Output::Csv,
        "json" | "ndjson" | "jsonl" => Output::Json,
        "parquet" => Output::Parquet,
        "arrow" | "arrows" | "feather" | "ipc" => Output::Arrow,
        _ => bail!(
            "{} does not tell by its name what to write: end it in .csv, .json, .parquet or .arrow, or say --output FORMAT",
            path.display()
        ),
    })
}

fn word(output: Output) -> &'static str {
    match output {
        Output::Table => "a table",
        Output::Csv => "CSV",
        Output::Json => "JSON",
        Output::Parquet => "Parquet",
        Output::Arrow => "Arrow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_form() {
        let target = |output, file: &str| Target::new(output, Some(Path::new(file))).map(|t| t.format());
        for (file, format) in [
            ("a.csv", Format::Csv),
            ("x/A.JSONL", Format::Json),
            ("a.parquet", Format::Parquet),
            ("a.arrow", Format::ArrowFile),
            ("a.arrows", Format::ArrowStream),
            ("a.txt", Format::Table),
        ] {
            assert_eq!(target(None, file).unwrap(), format, "{file}");
        }
        assert_eq!(target(Some(Output::Arrow), "a.csv").unwrap(), Format::ArrowFile);
        assert!(target(None, "a.dat").unwrap_err().to_string().contains("a.dat does not tell"));
        assert_eq!(Target::new(None, None).unwrap().format(), Format::Table);
    }

    fn written(out: &mut (dyn Write + Send), text: &[u8]) -> Result<(), QueryError> {
        out.write_all(text).unwrap();
        Ok(())
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let failed = to_file(&path, |out| -> Result<(), QueryError> {
            out.write_all(b"half").unwrap();
            Err(QueryError::Sql("no".to_owned()))
        });
        assert!(failed.is_err() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
        to_file(&path, |out| written(out, b"1")).unwrap();
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        to_file(&link, |out| written(out, b"2")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        to_file(Path::new("/dev/null"), |out| written(out, b"3")).unwrap();
        assert!(to_file(folder.path(), |_| Ok(())).unwrap_err().to_string().contains("is a folder"));
        assert!(to_file(&folder.path().join("no/a.csv"), |_| Ok(())).unwrap_err().to_string().contains("cannot write"));
    }
}

//! What the server knows: the texts that are open, and their folders as last compiled. In: edits. Out: diagnostics, as soon
//! as a folder was compiled again; answers do not wait for that unless they must.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use lsp_server::{Message, Notification};
use lsp_types::notification::{Notification as _, PublishDiagnostics};
use lsp_types::{Diagnostic, PublishDiagnosticsParams, Uri};

use super::address;
use super::analysis::Analysis;
use super::compile::{self, Done, Job};
use super::diagnostics::diagnostics;
use super::folder::Folder;
use super::text::Units;

/// A folder is compiled when nothing was typed for so long …
const QUIET: Duration = Duration::from_millis(40);
/// … or when typing went on for so long.
const PATIENCE: Duration = Duration::from_millis(160);
/// The disk is asked again for files that nobody told of when it was not asked for so long.
const LOOK: Duration = Duration::from_secs(2);

/// An open text.
pub(crate) struct Document {
    /// What the client calls it.
    pub(crate) uri: Uri,
    version: i32,
    /// The text.
    pub(crate) text: Arc<str>,
    /// The folder it belongs to.
    pub(crate) folder: Folder,
}

/// A folder and how far it is compiled.
struct Program {
    analysis: Arc<Analysis>,
    /// Edits so far, those that the analysis has, and whether it is being compiled.
    edits: u64,
    done: u64,
    running: bool,
    /// When the first edit that is not compiled came, and when to compile.
    waiting: Option<(Instant, Instant)>,
    look: bool,
    looked: Instant,
    /// What the client was told.
    published: BTreeMap<PathBuf, Vec<Diagnostic>>,
}

/// Open texts and compiled folders.
pub(crate) struct State {
    /// What columns are counted in.
    pub(crate) units: Units,
    /// Rules folders that are known as such.
    pub(crate) known: Vec<PathBuf>,
    documents: BTreeMap<PathBuf, Document>,
    programs: HashMap<Folder, Program>,
    client: Sender<Message>,
    jobs: Sender<Job>,
    /// Compiled folders, for [`State::arrived`].
    pub(crate) compiled: Receiver<Done>,
}

impl State {
    /// Nothing is open. Diagnostics go to the client.
    pub(crate) fn new(client: Sender<Message>) -> State {
        let (jobs, compiled) = compile::start();
        let (documents, programs) = (BTreeMap::new(), HashMap::new());
        State { units: Units::default(), known: Vec::new(), documents, programs, client, jobs, compiled }
    }

    /// An open text.
    pub(crate) fn document(&self, path: &Path) -> Option<&Document> {
        self.documents.get(path)
    }

    /// What the client calls a file.
    pub(crate) fn address(&self, path: &Path) -> Option<Uri> {
        self.documents.get(path).map(|document| document.uri.clone()).or_else(|| address::uri(path))
    }

    /// A text is open from now on.
    pub(crate) fn open(&mut self, uri: Uri, version: i32, text: &str) {
        let path = address::path(&uri);
        let folder = Folder::of(&path, &self.known);
        self.documents.insert(path, Document { uri, version, text: text.into(), folder: folder.clone() });
        self.edited(&folder, true, Duration::ZERO);
    }

    /// An open text is another one now; one that is not open is left alone.
    pub(crate) fn change(&mut self, uri: &Uri, version: i32, edit: impl FnOnce(&str, Units) -> String) {
        let units = self.units;
        let Some(document) = self.documents.get_mut(&address::path(uri)) else { return };
        document.text = edit(&document.text, units).into();
        document.version = version;
        let folder = document.folder.clone();
        self.edited(&folder, false, QUIET);
    }

    /// What is on disk counts again.
    pub(crate) fn close(&mut self, uri: &Uri) {
        let Some(document) = self.documents.remove(&address::path(uri)) else { return };
        if let Folder::Alone(path) = &document.folder {
            self.programs.remove(&document.folder);
            self.publish(path, None, Vec::new(), Some(document.uri));
        } else {
            self.edited(&document.folder, true, Duration::ZERO);
        }
    }

    /// Something on disk changed.
    pub(crate) fn look(&mut self) {
        let folders: Vec<Folder> = self.programs.keys().cloned().collect();
        folders.iter().for_each(|folder| self.edited(folder, true, QUIET));
    }

    fn edited(&mut self, folder: &Folder, look: bool, pause: Duration) {
        let now = Instant::now();
        let program = self.programs.entry(folder.clone()).or_insert_with(|| Program {
            analysis: Arc::new(Analysis::default()),
            edits: 0,
            done: 0,
            running: false,
            waiting: None,
            look: true,
            looked: now,
            published: BTreeMap::new(),
        });
        program.edits += 1;
        program.look |= look || now.duration_since(program.looked) > LOOK;
        let first = program.waiting.map_or(now, |(first, _)| first);
        program.waiting = Some((first, (now + pause).min(first + PATIENCE)));
    }

    /// When a folder is to be compiled next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let idle = self.programs.values().filter(|program| !program.running);
        idle.filter_map(|program| program.waiting.map(|(_, due)| due)).min()
    }

    /// Has the folders compiled whose time has come.
    pub(crate) fn compile(&mut self) {
        let now = Instant::now();
        let due = |program: &Program| !program.running && program.waiting.is_some_and(|(_, due)| due <= now);
        let folders: Vec<Folder> = self.programs.iter().filter(|(_, p)| due(p)).map(|(f, _)| f.clone()).collect();
        folders.iter().for_each(|folder| self.start(folder));
    }

    fn start(&mut self, folder: &Folder) {
        let Some(program) = self.programs.get_mut(folder) else { return };
        let of_folder = || self.documents.iter().filter(|(_, document)| document.folder == *folder);
        let open = of_folder().map(|(path, document)| (path.clone(), document.text.clone())).collect();
        let versions = of_folder().map(|(path, document)| (path.clone(), document.version)).collect();
        let look = std::mem::take(&mut program.look);
        if look {
            program.looked = Instant::now();
        }
        program.running = true;
        program.waiting = None;
        let job = Job { folder: folder.clone(), open, versions, look, edit: program.edits };
        // The other end lives as long as this one.
        let _ = self.jobs.send(job);
    }

    /// Takes a compiled folder, and tells the client what is new about it.
    pub(crate) fn arrived(&mut self, done: Done) {
        let Some(program) = self.programs.get_mut(&done.folder) else { return };
        program.running = false;
        program.done = done.edit;
        let Some(analysis) = done.analysis else { return };
        program.analysis = analysis.clone();
        let mut found = diagnostics(&analysis, self.units, &|path| self.address(path));
        // An open text is told about even if nothing is wrong with it.
        for path in done.versions.keys() {
            found.entry(path.clone()).or_default();
        }
        let Some(program) = self.programs.get_mut(&done.folder) else { return };
        let before = std::mem::take(&mut program.published);
        let gone: BTreeSet<PathBuf> = before.keys().filter(|path| !found.contains_key(*path)).cloned().collect();
        program.published = found.clone();
        for path in gone.iter().filter(|path| !before[*path].is_empty()) {
            self.publish(path, None, Vec::new(), None);
        }
        for (path, list) in found {
            if before.get(&path) != Some(&list) {
                self.publish(&path, done.versions.get(&path).copied(), list, None);
            }
        }
    }

    fn publish(&self, path: &Path, version: Option<i32>, diagnostics: Vec<Diagnostic>, uri: Option<Uri>) {
        if let Some(uri) = uri.or_else(|| self.address(path)) {
            let params = PublishDiagnosticsParams { uri, diagnostics, version };
            let message = Notification::new(PublishDiagnostics::METHOD.to_owned(), params);
            // A client that is gone is noticed where its messages are read.
            let _ = self.client.send(message.into());
        }
    }

    /// A folder as last compiled, which may be an edit or two ago; waits only for the first time.
    pub(crate) fn recent(&mut self, folder: &Folder) -> Arc<Analysis> {
        if self.programs.get(folder).is_none_or(|program| program.done == 0) {
            return self.fresh(folder);
        }
        self.programs[folder].analysis.clone()
    }

    /// Whether the last edit of a folder is compiled.
    pub(crate) fn settled(&self, folder: &Folder) -> bool {
        self.programs.get(folder).is_some_and(|program| program.done == program.edits)
    }

    /// A folder as it is now; waits until it is compiled.
    pub(crate) fn fresh(&mut self, folder: &Folder) -> Arc<Analysis> {
        loop {
            let Some(program) = self.programs.get(folder) else { return Arc::default() };
            if program.done == program.edits {
                return program.analysis.clone();
            }
            if !program.running {
                self.start(folder);
            }
            match self.compiled.recv() {
                Ok(done) => self.arrived(done),
                Err(_) => return Arc::default(),
            }
        }
    }
}

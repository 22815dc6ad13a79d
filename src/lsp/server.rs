//! The course of a conversation: `initialize`, requests and edits, `shutdown`, `exit`. In: a connection. Out: whether it
//! ended as agreed.

use std::path::PathBuf;
use std::time::Instant;

use crossbeam_channel::{after, never, select};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response, ResponseError};
use lsp_types::notification::{
    DidChangeTextDocument, DidChangeWatchedFiles, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument,
    Initialized, Notification as _,
};
use lsp_types::request::{Initialize, RegisterCapability, Request as _, Shutdown};
use lsp_types::{
    ClientCapabilities, CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions,
    HoverProviderCapability, InitializeParams, InitializeResult, OneOf, PositionEncodingKind, RenameOptions,
    ServerCapabilities, ServerInfo, TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
};
use serde_json::{Value, json};

use super::state::State;
use super::text::{Units, changed};
use super::{Settings, requests};

/// What a client can do, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client {
    /// It takes texts with stops for the cursor.
    pub(crate) snippets: bool,
    /// It shows Markdown.
    pub(crate) markdown: bool,
    /// It takes an outline of more than one level.
    pub(crate) nested: bool,
    watches: bool,
}

/// How far a conversation is.
enum Phase {
    New,
    Going,
    /// `shutdown` was asked.
    Over,
}

/// A conversation.
struct Server<'a> {
    connection: &'a Connection,
    phase: Phase,
    client: Client,
    state: State,
}

/// Takes messages until `exit`, or until there are no more. Whether `shutdown` came before.
pub(crate) fn serve(connection: &Connection, settings: Settings) -> bool {
    let mut state = State::new(connection.sender.clone());
    state.known = settings.folders;
    let mut server = Server { connection, phase: Phase::New, client: Client::default(), state };
    loop {
        let due = server.state.due().map_or_else(never, |due| after(due.saturating_duration_since(Instant::now())));
        select! {
            recv(connection.receiver) -> message => match message {
                Ok(Message::Notification(note)) if note.method == "exit" => return matches!(server.phase, Phase::Over),
                Ok(message) => server.take(message),
                Err(_) => return matches!(server.phase, Phase::Over),
            },
            recv(server.state.compiled) -> done => done.into_iter().for_each(|done| server.state.arrived(done)),
            recv(due) -> _ => server.state.compile(),
        }
    }
}

impl Server<'_> {
    fn take(&mut self, message: Message) {
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                let response_result = self.answer(request);
                self.send(Response { id, response_result }.into());
            }
            Message::Notification(note) => {
                if matches!(self.phase, Phase::Going) {
                    let method = note.method.clone();
                    if let Err(error) = self.note(note) {
                        tracing::warn!("`{method}` cannot be understood: {error}");
                    }
                }
            }
            // What we ask for, watching files, needs no answer.
            Message::Response(_) => {}
        }
    }

    fn send(&self, message: Message) {
        // A client that is gone is noticed where its messages are read.
        let _ = self.connection.sender.send(message);
    }

    fn answer(&mut self, request: Request) -> Result<Value, ResponseError> {
        let refuse = |code: ErrorCode, message: String| Err(ResponseError { code: code as i32, message, data: None });
        match (&self.phase, request.method.as_str()) {
            (Phase::New, Initialize::METHOD) => match serde_json::from_value(request.params) {
                Ok(params) => Ok(self.initialize(params)),
                Err(error) => refuse(ErrorCode::InvalidParams, format!("`initialize`: {error}")),
            },
            (Phase::New, _) => refuse(ErrorCode::ServerNotInitialized, "`initialize` comes first".to_owned()),
            (Phase::Going, Initialize::METHOD) => {
                refuse(ErrorCode::InvalidRequest, "`initialize` came already".to_owned())
            }
            (Phase::Going, Shutdown::METHOD) => {
                self.phase = Phase::Over;
                Ok(Value::Null)
            }
            (Phase::Going, _) => requests::answer(&mut self.state, self.client, request),
            (Phase::Over, _) => refuse(ErrorCode::InvalidRequest, "after `shutdown` only `exit` comes".to_owned()),
        }
    }

    fn initialize(&mut self, params: InitializeParams) -> Value {
        self.phase = Phase::Going;
        let can = &params.capabilities;
        self.client = client(can);
        let offered = can.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        let bytes = offered.is_some_and(|kinds| kinds.contains(&PositionEncodingKind::UTF8));
        self.state.units = if bytes { Units::Utf8 } else { Units::Utf16 };
        // `initializationOptions: { "rules": "/etc/weir/rules" }`, for editors that set up servers so.
        let rules = params.initialization_options.as_ref().and_then(|options| options.get("rules"));
        if let Some(folder) = rules.and_then(Value::as_str).map(PathBuf::from).filter(|path| path.is_absolute()) {
            self.state.known.push(folder);
        }
        let result = InitializeResult {
            capabilities: capabilities(self.state.units),
            server_info: Some(ServerInfo {
                name: "weir".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        };
        json!(result)
    }

    fn note(&mut self, note: Notification) -> Result<(), serde_json::Error> {
        fn params<N: lsp_types::notification::Notification>(
            note: Notification,
        ) -> Result<N::Params, serde_json::Error> {
            serde_json::from_value(note.params)
        }
        match note.method.as_str() {
            Initialized::METHOD if self.client.watches => self.watch(),
            DidOpenTextDocument::METHOD => {
                let document = params::<DidOpenTextDocument>(note)?.text_document;
                self.state.open(document.uri, document.version, &document.text);
            }
            DidChangeTextDocument::METHOD => {
                let change = params::<DidChangeTextDocument>(note)?;
                let edit = |text: &str, units| {
                    change.content_changes.iter().fold(text.to_owned(), |text, edit| changed(&text, edit, units))
                };
                self.state.change(&change.text_document.uri, change.text_document.version, edit);
            }
            DidCloseTextDocument::METHOD => {
                self.state.close(&params::<DidCloseTextDocument>(note)?.text_document.uri);
            }
            DidSaveTextDocument::METHOD | DidChangeWatchedFiles::METHOD => self.state.look(),
            // The protocol lets a server pass over what it does not know.
            _ => {}
        }
        Ok(())
    }

    /// Asks to be told of files that change outside of the editor.
    fn watch(&self) {
        let watchers = json!([{ "globPattern": "**/*.weir" }, { "globPattern": "**/*.txt" }]);
        let registration = json!({
            "id": "files", "method": DidChangeWatchedFiles::METHOD, "registerOptions": { "watchers": watchers },
        });
        let params = json!({ "registrations": [registration] });
        self.send(Request::new(1.into(), RegisterCapability::METHOD.to_owned(), params).into());
    }
}

fn client(can: &ClientCapabilities) -> Client {
    let text = can.text_document.as_ref();
    let item = text.and_then(|text| text.completion.as_ref()?.completion_item.as_ref());
    let hover = text.and_then(|text| text.hover.as_ref()?.content_format.as_ref());
    let outline = text.and_then(|text| text.document_symbol.as_ref());
    let watched = can.workspace.as_ref().and_then(|workspace| workspace.did_change_watched_files.as_ref());
    Client {
        snippets: item.and_then(|item| item.snippet_support).unwrap_or(false),
        markdown: hover.is_some_and(|formats| formats.contains(&lsp_types::MarkupKind::Markdown)),
        nested: outline.and_then(|outline| outline.hierarchical_document_symbol_support).unwrap_or(false),
        watches: watched.and_then(|watched| watched.dynamic_registration).unwrap_or(false),
    }
}

fn capabilities(units: Units) -> ServerCapabilities {
    let strings = |all: &[&str]| Some(all.iter().map(|text| (*text).to_owned()).collect());
    ServerCapabilities {
        position_encoding: Some(match units {
            Units::Utf8 => PositionEncodingKind::UTF8,
            Units::Utf16 => PositionEncodingKind::UTF16,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(lsp_types::TextDocumentSyncSaveOptions::Supported(true)),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: strings(&[".", "\"", "{", "(", "@"]),
            ..CompletionOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: Default::default(),
        })),
        document_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
            ..CodeActionOptions::default()
        })),
        ..ServerCapabilities::default()
    }
}

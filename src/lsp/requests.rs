//! Requests: the protocol's questions about a text. In: a request. Out: its answer, with the places in the client's units.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_server::{ErrorCode, Request, ResponseError};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentSymbolRequest, Formatting, GotoDefinition, HoverRequest,
    PrepareRenameRequest, References, Rename, Request as Asks,
};
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CompletionItem, CompletionResponse, CompletionTextEdit,
    DocumentSymbol, DocumentSymbolResponse, Documentation, GotoDefinitionResponse, Hover, HoverContents,
    InsertTextFormat, Location, MarkupContent, MarkupKind, Position, PrepareRenameResponse, Range, SymbolInformation,
    TextEdit, Uri, WorkspaceEdit,
};
use serde_json::Value;

use super::address;
use super::analysis::Analysis;
use super::completion::{Proposal, complete};
use super::definition::{Target, definition, references};
use super::diagnostics::diagnostics;
use super::fix::fixes;
use super::format::reformat;
use super::hover::{hover, mistakes};
use super::rename::{prepare, rename};
use super::server::Client;
use super::state::State;
use super::symbols::{Symbol, symbols};
use super::text::Lines;
use crate::rule::ast::Span;

type Answer<T> = Result<T, ResponseError>;

/// The answer to a request.
pub(crate) fn answer(state: &mut State, client: Client, request: Request) -> Answer<Value> {
    let Request { method, params, .. } = request;
    let ask = Ask { state, client };
    // A mistake of ours in one answer must not end the conversation.
    let answered = catch_unwind(AssertUnwindSafe(|| match method.as_str() {
        HoverRequest::METHOD => reply::<HoverRequest>(params, |p| ask.hover(p)),
        Completion::METHOD => reply::<Completion>(params, |p| ask.completion(p)),
        GotoDefinition::METHOD => reply::<GotoDefinition>(params, |p| ask.definition(p)),
        References::METHOD => reply::<References>(params, |p| ask.references(p)),
        PrepareRenameRequest::METHOD => reply::<PrepareRenameRequest>(params, |p| ask.prepare_rename(p)),
        Rename::METHOD => reply::<Rename>(params, |p| ask.rename(p)),
        DocumentSymbolRequest::METHOD => reply::<DocumentSymbolRequest>(params, |p| ask.symbols(p)),
        Formatting::METHOD => reply::<Formatting>(params, |p| ask.format(p)),
        CodeActionRequest::METHOD => reply::<CodeActionRequest>(params, |p| ask.actions(p)),
        _ => Err(error(ErrorCode::MethodNotFound, format!("`{method}` is not known here"))),
    }));
    answered.unwrap_or_else(|_| Err(error(ErrorCode::InternalError, format!("`{method}` failed; please report this"))))
}

fn reply<R: Asks>(params: Value, answer: impl FnOnce(R::Params) -> Answer<R::Result>) -> Answer<Value> {
    let params = serde_json::from_value(params).map_err(|wrong| error(ErrorCode::InvalidParams, wrong.to_string()))?;
    serde_json::to_value(answer(params)?).map_err(|wrong| error(ErrorCode::InternalError, wrong.to_string()))
}

fn error(code: ErrorCode, message: String) -> ResponseError {
    ResponseError { code: code as i32, message, data: None }
}

/// What a question is put to.
struct Ask<'a> {
    state: &'a mut State,
    client: Client,
}

/// The text that a question is about.
struct About {
    path: PathBuf,
    text: Arc<str>,
    analysis: Arc<Analysis>,
    /// The analysis is of this text, not of one some edits ago.
    settled: bool,
}

impl About {
    /// Its position among the files of a fresh analysis.
    fn file(&self) -> Answer<usize> {
        let missing = || error(ErrorCode::RequestFailed, format!("{} is not compiled", self.path.display()));
        self.analysis.file(&self.path).ok_or_else(missing)
    }
}

impl Ask<'_> {
    /// An open text; `now` waits until the last edit is compiled.
    fn about(&mut self, uri: &Uri, now: bool) -> Answer<About> {
        let path = address::path(uri);
        let missing = || error(ErrorCode::InvalidParams, format!("{} is not open", uri.as_str()));
        let document = self.state.document(&path).ok_or_else(missing)?;
        let (text, folder) = (document.text.clone(), document.folder.clone());
        let analysis = if now { self.state.fresh(&folder) } else { self.state.recent(&folder) };
        let settled = self.state.settled(&folder);
        Ok(About { path, text, analysis, settled })
    }

    fn offset(&self, text: &str, position: Position) -> usize {
        Lines::new(text, self.state.units).offset(position)
    }

    fn range(&self, text: &str, span: Span) -> Range {
        Lines::new(text, self.state.units).range(span)
    }

    fn markup(&self, value: String) -> MarkupContent {
        let kind = if self.client.markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
        MarkupContent { kind, value }
    }

    fn hover(mut self, params: lsp_types::HoverParams) -> Answer<Option<Hover>> {
        let at = params.text_document_position_params;
        let about = self.about(&at.text_document.uri, false)?;
        let offset = self.offset(&about.text, at.position);
        let found = hover(&about.analysis, &about.text, offset);
        let range = found.as_ref().map(|(_, span)| self.range(&about.text, *span));
        let file = about.analysis.file(&about.path).filter(|_| about.settled);
        let mut told = file.map_or_else(Vec::new, |file| mistakes(&about.analysis, file, offset));
        told.splice(..0, found.map(|(told, _)| told));
        let contents = HoverContents::Markup(self.markup(told.join("\n\n")));
        Ok((!told.is_empty()).then_some(Hover { contents, range }))
    }

    fn completion(mut self, params: lsp_types::CompletionParams) -> Answer<Option<CompletionResponse>> {
        let at = params.text_document_position;
        let about = self.about(&at.text_document.uri, false)?;
        let offset = self.offset(&about.text, at.position);
        let (proposals, span) = complete(&about.analysis, &about.text, offset);
        let range = self.range(&about.text, span);
        let items = proposals.into_iter().enumerate().map(|(place, p)| self.item(place, p, range)).collect();
        Ok(Some(CompletionResponse::Array(items)))
    }

    fn item(&self, place: usize, proposal: Proposal, range: Range) -> CompletionItem {
        let snippet = proposal.snippet.filter(|_| self.client.snippets);
        let new_text = snippet.map_or(proposal.text, str::to_owned);
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        CompletionItem {
            filter_text: proposal.label.starts_with('"').then(|| proposal.label.trim_matches('"').to_owned()),
            label: proposal.label,
            kind: Some(proposal.kind),
            detail: filled(proposal.detail),
            documentation: filled(proposal.doc).map(|doc| Documentation::MarkupContent(self.markup(doc))),
            sort_text: Some(format!("{place:05}")),
            insert_text_format: snippet.map(|_| InsertTextFormat::SNIPPET),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text })),
            ..CompletionItem::default()
        }
    }

    fn definition(mut self, params: lsp_types::GotoDefinitionParams) -> Answer<Option<GotoDefinitionResponse>> {
        let at = params.text_document_position_params;
        let about = self.about(&at.text_document.uri, true)?;
        let found = definition(&about.analysis, about.file()?, self.offset(&about.text, at.position));
        Ok(Some(GotoDefinitionResponse::Array(self.locations(&about.analysis, found))))
    }

    fn references(mut self, params: lsp_types::ReferenceParams) -> Answer<Option<Vec<Location>>> {
        let at = params.text_document_position;
        let about = self.about(&at.text_document.uri, true)?;
        let offset = self.offset(&about.text, at.position);
        let found = references(&about.analysis, about.file()?, offset, params.context.include_declaration);
        Ok(Some(self.locations(&about.analysis, found)))
    }

    fn locations(&self, analysis: &Analysis, targets: Vec<Target>) -> Vec<Location> {
        let location = |Target { path, span }: Target| {
            // What is no rule file, the file of a list, is gone to as a whole.
            let range = analysis.file(&path).map_or_else(Range::default, |file| self.range(analysis.text(file), span));
            Some(Location { uri: self.state.address(&path)?, range })
        };
        targets.into_iter().filter_map(location).collect()
    }

    fn prepare_rename(mut self, at: lsp_types::TextDocumentPositionParams) -> Answer<Option<PrepareRenameResponse>> {
        let about = self.about(&at.text_document.uri, true)?;
        let (span, placeholder) = prepare(&about.analysis, about.file()?, self.offset(&about.text, at.position))
            .map_err(|why| error(ErrorCode::RequestFailed, why))?;
        let range = self.range(&about.text, span);
        Ok(Some(PrepareRenameResponse::RangeWithPlaceholder { range, placeholder }))
    }

    /// The client's wishes for blanks do not count: there is one form.
    fn format(self, params: lsp_types::DocumentFormattingParams) -> Answer<Option<Vec<TextEdit>>> {
        let uri = params.text_document.uri;
        let missing = || error(ErrorCode::InvalidParams, format!("{} is not open", uri.as_str()));
        let text = self.state.document(&address::path(&uri)).ok_or_else(missing)?.text.clone();
        let edit = |(span, new_text)| TextEdit { range: self.range(&text, span), new_text };
        Ok(reformat(&text).map(|found| vec![edit(found)]))
    }

    #[expect(clippy::mutable_key_type, reason = "the protocol's edits are a map by address, which is never changed")]
    fn rename(mut self, params: lsp_types::RenameParams) -> Answer<Option<WorkspaceEdit>> {
        let at = params.text_document_position;
        let about = self.about(&at.text_document.uri, true)?;
        let (analysis, offset) = (&about.analysis, self.offset(&about.text, at.position));
        let places = rename(analysis, about.file()?, offset, &params.new_name)
            .map_err(|why| error(ErrorCode::RequestFailed, why))?;
        let mut changes = std::collections::HashMap::new();
        for (path, spans) in places {
            let (Some(uri), Some(file)) = (self.state.address(&path), analysis.file(&path)) else { continue };
            let edit =
                |span| TextEdit { range: self.range(analysis.text(file), span), new_text: params.new_name.clone() };
            changes.insert(uri, spans.into_iter().map(edit).collect());
        }
        Ok(Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }))
    }

    fn symbols(mut self, params: lsp_types::DocumentSymbolParams) -> Answer<Option<DocumentSymbolResponse>> {
        let about = self.about(&params.text_document.uri, true)?;
        let lines = Lines::new(&about.text, self.state.units);
        let found = symbols(&about.analysis, about.file()?);
        Ok(Some(if self.client.nested {
            DocumentSymbolResponse::Nested(found.into_iter().map(|symbol| nested(&lines, symbol)).collect())
        } else {
            DocumentSymbolResponse::Flat(
                found.into_iter().map(|s| flat(&lines, &params.text_document.uri, s)).collect(),
            )
        }))
    }

    fn actions(mut self, params: lsp_types::CodeActionParams) -> Answer<Option<Vec<CodeActionOrCommand>>> {
        let wanted = params.context.only.as_deref();
        // `quickfix` stands for all kinds of it, and no kind for everything.
        if wanted.is_some_and(|kinds| {
            !kinds.iter().any(|kind| *kind == CodeActionKind::QUICKFIX || *kind == CodeActionKind::EMPTY)
        }) {
            return Ok(Some(Vec::new()));
        }
        let uri = params.text_document.uri;
        let about = self.about(&uri, true)?;
        let (start, end) = (self.offset(&about.text, params.range.start), self.offset(&about.text, params.range.end));
        let mut told = diagnostics(&about.analysis, self.state.units, &|path: &Path| self.state.address(path));
        let told = told.remove(&about.path).unwrap_or_default();
        let action = |fix: super::fix::Fix<'_>| {
            let range = self.range(&about.text, fix.span);
            let edit = TextEdit { range, new_text: fix.text.to_owned() };
            let mends = told.iter().filter(|d| d.range == range && d.message.starts_with(&fix.mends.message));
            CodeActionOrCommand::CodeAction(CodeAction {
                title: format!("replace with `{}`", fix.text),
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(mends.cloned().collect()),
                edit: Some(WorkspaceEdit {
                    changes: Some([(uri.clone(), vec![edit])].into()),
                    ..WorkspaceEdit::default()
                }),
                is_preferred: Some(true),
                ..CodeAction::default()
            })
        };
        Ok(Some(fixes(&about.analysis, about.file()?, Span { start, end }).into_iter().map(action).collect()))
    }
}

#[expect(deprecated, reason = "the protocol's type has the field `deprecated`")]
fn nested(lines: &Lines<'_>, symbol: Symbol) -> DocumentSymbol {
    DocumentSymbol {
        name: symbol.name,
        detail: Some(symbol.detail),
        kind: symbol.kind,
        tags: None,
        deprecated: None,
        range: lines.range(symbol.whole),
        selection_range: lines.range(symbol.named),
        children: Some(symbol.inside.into_iter().map(|inner| nested(lines, inner)).collect()),
    }
}

#[expect(deprecated, reason = "the protocol's type has the field `deprecated`")]
fn flat(lines: &Lines<'_>, uri: &Uri, symbol: Symbol) -> SymbolInformation {
    SymbolInformation {
        name: symbol.name,
        kind: symbol.kind,
        tags: None,
        deprecated: None,
        location: Location { uri: uri.clone(), range: lines.range(symbol.whole) },
        container_name: None,
    }
}

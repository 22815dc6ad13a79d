//! Rules and settings are read again while weir runs: when their files change, on SIGHUP, and when the API is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::collectors::Followed;
use crate::archive::Kept;
use crate::cli::settings::SettingsFile;
use crate::engine::live;
use crate::engine::reload::Reloader;
use crate::metrics::Metrics;
use crate::serve::{self, Hub, Reload, Reloaded, Unloadable};

/// How often it is looked whether files changed.
const LOOK: Duration = Duration::from_secs(1);

/// What can be read again.
pub(super) struct Again {
    pub(super) rules: Arc<Reloader>,
    pub(super) settings: Option<SettingsFile>,
    pub(super) followed: Followed,
    pub(super) kept: Kept,
    pub(super) hub: Arc<Hub>,
    pub(super) metrics: Arc<Metrics>,
}

impl Again {
    /// Whether files were changed since they were read, and are no longer being written: to be asked every second or so.
    fn is_stale(&self) -> bool {
        let settings = self.settings.as_ref().is_some_and(SettingsFile::is_stale);
        self.rules.is_stale() || settings
    }

    /// Reads all again. What is wrong in one file does not keep the others from taking effect.
    fn read(&self) -> Result<Reloaded, Unloadable> {
        let settings = self.settings.as_ref().map(|file| self.read_settings(file)).transpose();
        let mut reloaded = self.rules.reload()?;
        match settings {
            Ok(changed) => reloaded.settings = changed.unwrap_or_default(),
            Err(message) => return Err(Unloadable { message, diagnostics: Vec::new() }),
        }
        live::say_if_kept_short(&self.kept, &self.rules.rules().program);
        Ok(reloaded)
    }

    /// Reads the settings again; which of them are others now. What is wrong with them is logged, shown and returned.
    fn read_settings(&self, file: &SettingsFile) -> Result<Vec<String>, String> {
        match file.read_again() {
            Ok(new) => {
                let name = file.name();
                if self.hub.settings().is_some() {
                    tracing::info!("{name}: what was wrong is mended");
                }
                self.metrics.settings_errors(0);
                self.hub.settings_trouble(None);
                if !new.changed.is_empty() {
                    tracing::info!("{name}: changed: {}", new.changed.join(", "));
                    self.kept.set(new.keep);
                    self.followed.set(new.files);
                }
                if !new.later.is_empty() {
                    tracing::warn!("{name}: {} will count when weir is started again", new.later.join(", "));
                }
                Ok(new.changed)
            }
            Err(wrong) => {
                let message = format!("{}; the settings of before go on", wrong.join("; "));
                tracing::error!("{message}");
                self.metrics.settings_errors(wrong.len());
                self.hub.settings_trouble(Some(message.clone()));
                Err(message)
            }
        }
    }
}

/// Reads all again, beside what goes on.
pub(super) fn reload(again: Arc<Again>) -> Reload {
    Arc::new(move || {
        let again = again.clone();
        Box::pin(async move {
            let failed = |error: tokio::task::JoinError| {
                Err(Unloadable { message: format!("reading the rules failed: {error}"), diagnostics: Vec::new() })
            };
            tokio::task::spawn_blocking(move || again.read()).await.unwrap_or_else(failed)
        })
    })
}

/// Reads all again when files change and on SIGHUP.
pub(super) async fn watch(
    again: Arc<Again>,
    context: Arc<serve::Context>,
    mut hangup: tokio::signal::unix::Signal,
    stop: CancellationToken,
) {
    loop {
        let wanted = tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK) => {
                let again = again.clone();
                tokio::task::spawn_blocking(move || again.is_stale()).await.unwrap_or(false)
            }
        };
        if wanted {
            // What is wrong is logged and shown.
            drop(context.reload().await);
        }
    }
}

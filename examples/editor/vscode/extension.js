// Starts `weir lsp` for rule files. Without weir, or without the client library, colours still work.
const vscode = require("vscode");

let client;

async function activate() {
  const command = vscode.workspace.getConfiguration("weir").get("path");
  if (!command) return;
  try {
    const { LanguageClient } = require("vscode-languageclient/node");
    const files = vscode.workspace.createFileSystemWatcher("**/*.weir");
    client = new LanguageClient(
      "weir",
      "weir",
      { command, args: ["lsp"] },
      { documentSelector: [{ scheme: "file", language: "weir" }], synchronize: { fileEvents: files } },
    );
    await client.start();
  } catch (error) {
    vscode.window.showWarningMessage(`weir: no language server (${error.message}); set weir.path to the weir program`);
  }
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };

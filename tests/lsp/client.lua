-- Neovim as a client of `weir lsp`: opens a rule file, asks what a person would, and writes what came to $OUT.
-- $WEIR is the binary, $RULES the rules folder, which may be changed.

local out = assert(io.open(os.getenv('OUT'), 'w'))
local rules = os.getenv('RULES')
local patience = 30000

local function say(...)
  out:write(string.format(...), '\n')
  out:flush()
end

local function until_true(what, condition)
  if not vim.wait(patience, condition, 10) then
    say('never: %s', what)
    vim.cmd('cquit 3')
  end
end

local ended
local id = vim.lsp.start_client({
  name = 'weir',
  cmd = { os.getenv('WEIR'), 'lsp' },
  root_dir = rules,
  on_exit = function(code) ended = code end,
})
local client

local function open(name)
  vim.cmd('edit ' .. rules .. '/' .. name)
  vim.lsp.buf_attach_client(0, id)
  until_true('the client is ready', function()
    client = vim.lsp.get_client_by_id(id)
    return client ~= nil and client.initialized
  end)
end

-- Puts the cursor on the first character of the pattern, or so many on.
local function go(pattern, on)
  vim.fn.cursor(1, 1)
  if vim.fn.search('\\V' .. pattern, 'c') == 0 then say('no %s', pattern) end
  if on then vim.cmd('normal! ' .. on .. 'l') end
end

local function ask(method, more)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  for key, value in pairs(more or {}) do params[key] = value end
  local answer, failure = client.request_sync(method, params, patience, vim.api.nvim_get_current_buf())
  if failure then return nil, failure end
  if answer.err then return nil, answer.err.message end
  return answer.result
end

local function diagnostics()
  local lines = {}
  for _, found in ipairs(vim.diagnostic.get(nil)) do
    local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(found.bufnr), ':t')
    local level = vim.diagnostic.severity[found.severity]
    table.insert(lines, string.format('%s:%d:%d-%d %s %s %s', name, found.lnum + 1, found.col + 1, found.end_col + 1,
      level, found.code or '', found.message:gsub('\n', ' | ')))
  end
  table.sort(lines)
  return lines
end

local function place(location)
  local start = location.range.start
  return string.format('%s:%d:%d', vim.fn.fnamemodify(vim.uri_to_fname(location.uri), ':t'), start.line + 1, start.character + 1)
end

say('== diagnostics')
open('ssh.weir')
until_true('there are diagnostics', function() return #vim.diagnostic.get(nil) >= 3 end)
for _, line in ipairs(diagnostics()) do say('%s', line) end

say('== fix')
go('user.nam ')
local range = vim.lsp.util.make_range_params(0, client.offset_encoding)
local actions = ask('textDocument/codeAction', { range = range.range, context = { diagnostics = {} } })
for _, action in ipairs(actions) do
  say('%s', action.title)
  vim.lsp.util.apply_workspace_edit(action.edit, client.offset_encoding)
end
until_true('the mistake is gone', function() return #vim.diagnostic.get(0) == 1 end)
for _, line in ipairs(diagnostics()) do say('%s', line) end

say('== hover')
go('source.ip', 3)
say('%s', ask('textDocument/hover').contents.value)

go('severty')
say('%s', ask('textDocument/hover').contents.value)

say('== completion')
go('source.ip within', 7)
local result = ask('textDocument/completion')
local items = vim.lsp.util.text_document_completion_list_to_complete_items(result, 'source.')
for _, item in ipairs(items) do say('%s %s', item.word, item.menu) end

say('== completion in what is being written')
vim.fn.append('$', { 'rule next {', '  when process where event.outcome == "' })
local last = vim.fn.line('$') - 1
result = ask('textDocument/completion', { position = { line = last, character = #vim.fn.getline('$') } })
for _, item in ipairs(result) do say('%s', item.label) end
vim.api.nvim_buf_set_lines(0, last - 1, -1, false, {})

say('== definition')
go('when failed', 5)
for _, location in ipairs(ask('textDocument/definition')) do say('%s', place(location)) end
go('scanners.txt')
for _, location in ipairs(ask('textDocument/definition')) do say('%s', place(location)) end

say('== references')
go('when failed', 5)
for _, location in ipairs(ask('textDocument/references', { context = { includeDeclaration = true } })) do
  say('%s', place(location))
end

say('== rename')
local _, refusal = ask('textDocument/rename', { newName = 'network' })
say('%s', refusal)
local prepared = ask('textDocument/prepareRename')
say('%s', prepared.placeholder)
vim.lsp.util.apply_workspace_edit(ask('textDocument/rename', { newName = 'bad_login' }), client.offset_encoding)
for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
  -- A file that was opened to be edited is served as well.
  vim.lsp.buf_attach_client(buffer, id)
  for _, line in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)) do
    if line:find('bad_login') then say('%s', line) end
  end
end

say('== outline')
for _, item in ipairs(vim.lsp.util.symbols_to_items(ask('textDocument/documentSymbol'), 0)) do
  say('%d %s', item.lnum, item.text)
end

say('== format')
vim.fn.setline(4, 'rule   guessing  {')
for _, edit in ipairs(ask('textDocument/formatting', { options = { tabSize = 2, insertSpaces = true } })) do
  vim.lsp.util.apply_text_edits({ edit }, 0, client.offset_encoding)
end
say('%s', vim.fn.getline(4))

say('== end')
until_true('all is compiled', function() return #vim.diagnostic.get(0) == 1 end)
client.stop()
until_true('the server ended', function() return ended ~= nil end)
say('exit code %d', ended)
out:close()
vim.cmd('qa!')

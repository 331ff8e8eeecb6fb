// The text of the rule file, and the dashboards by file name. With other settings:
//   (import 'files.libsonnet')((import 'mixin.libsonnet') { _config+:: { anomalousFor: '5m' } }).rules

local order = ['name', 'interval', 'record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations', 'rules'];

local entries(object) =
  local others = [key for key in std.objectFields(object) if !std.member(order, key)];
  [[key, object[key]] for key in order + others if std.objectHas(object, key)];

// Readable YAML: keys in a fixed order, multi-line texts as blocks. std.manifestYamlDoc sorts keys and joins lines of a
// text without a trailing line feed. Only built-in functions are used, because Debian's interpreter is slow with others.
local has(text, part) = std.strReplace(text, part, '') != text;

local scalar(given, indent) =
  local text = if std.endsWith(given, '\n') then std.substr(given, 0, std.length(given) - 1) else given;
  if has(text, '\n') then '|-\n' + indent + std.strReplace(text, '\n', '\n' + indent)
  else if has(text, '"') && !has(text, "'") then "'%s'" % text
  else std.escapeStringJson(text);

// The text after a key or a dash; `indent` is that of nested lines.
local write(value, indent) =
  if std.isString(value) then ' ' + scalar(value, indent)
  else if std.isArray(value) then
    std.join('', ['\n' + indent + '-' + fields(it, indent + '  ', ' ') for it in value])
  else if std.isObject(value) then fields(value, indent, '\n' + indent)
  else ' ' + std.toString(value),
      // The fields of an object; the first one follows `before`.
      fields(object, indent, before) =
  local texts = [it[0] + ':' + write(it[1], indent + '  ') for it in entries(object)];
  before + std.join('\n' + indent, texts);

function(mixin) {
  rules:
    '# Written by prometheus/mixin/generate.sh; change the mixin, not this file.' +
    write({ groups: mixin.prometheusAlerts.groups + mixin.prometheusRules.groups }, ''),
  // Objects, not text: Debian's interpreter takes half a minute to make text of them, unless it writes them itself.
  dashboards: mixin.grafanaDashboards,
}

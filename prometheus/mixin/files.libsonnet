// What is loaded: the text of the rule file, and the dashboards by the names of their files. With other settings:
//   (import 'files.libsonnet')((import 'mixin.libsonnet') { _config+:: { anomalousFor: '5m' } }).rules

local order = ['name', 'interval', 'record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations', 'rules'];

local entries(object) =
  local others = [key for key in std.objectFields(object) if !std.member(order, key)];
  [[key, object[key]] for key in order + others if std.objectHas(object, key)];

// YAML that people can read: keys in an order that makes sense, what has many lines as a block. std.manifestYamlDoc
// sorts keys, and puts a text of many lines into one unless it ends with a line feed. Only such functions are used as
// Debian's interpreter, which is slow with long texts, has built in.
local has(text, part) = std.strReplace(text, part, '') != text;

local scalar(given, indent) =
  local text = if std.endsWith(given, '\n') then std.substr(given, 0, std.length(given) - 1) else given;
  if has(text, '\n') then '|-\n' + indent + std.strReplace(text, '\n', '\n' + indent)
  else if has(text, '"') && !has(text, "'") then "'%s'" % text
  else std.escapeStringJson(text);

// What stands behind a key or a dash; `indent` is that of what is below.
local write(value, indent) =
  if std.isString(value) then ' ' + scalar(value, indent)
  else if std.isArray(value) then
    std.join('', ['\n' + indent + '-' + fields(it, indent + '  ', ' ') for it in value])
  else if std.isObject(value) then fields(value, indent, '\n' + indent)
  else ' ' + std.toString(value),
      // The fields of an object, of which the first one follows what is before it.
      fields(object, indent, before) =
  local texts = [it[0] + ':' + write(it[1], indent + '  ') for it in entries(object)];
  before + std.join('\n' + indent, texts);

function(mixin) {
  rules:
    '# Written by prometheus/mixin/generate.sh; change the mixin, not this file.' +
    write({ groups: mixin.prometheusAlerts.groups + mixin.prometheusRules.groups }, ''),
  // The interpreter writes these itself: in Debian's a function that makes text of them takes half a minute.
  dashboards: mixin.grafanaDashboards,
}

// The files that are loaded, by their path below the repository, as text. To make them with other settings:
//   (import 'files.libsonnet')((import 'mixin.libsonnet') { _config+:: { anomalousFor: '5m' } })

local order = ['name', 'interval', 'record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations', 'rules'];

local entries(object) =
  local others = [key for key in std.objectFields(object) if !std.member(order, key)];
  [[key, object[key]] for key in order + others if std.objectHas(object, key)];

// YAML that people can read: keys in an order that makes sense, what has many lines as a block. std.manifestYamlDoc
// sorts keys, and puts a text of many lines into one unless it ends with a line feed.
local write(value, indent) =
  if std.isString(value) then
    local text = std.rstripChars(value, '\n');
    if std.length(std.findSubstr('\n', text)) > 0 then
      ' |-\n' + std.join('\n', [(if line == '' then '' else indent + line) for line in std.split(text, '\n')])
    else if std.member(text, '"') && !std.member(text, "'") then " '%s'" % text
    else ' ' + std.escapeStringJson(text)
  else if std.isArray(value) then
    std.join('', [
      '\n' + indent + '- ' + std.lstripChars(write(it, indent + '  '), '\n ')
      for it in value
    ])
  else if std.isObject(value) then
    std.join('', ['\n' + indent + it[0] + ':' + write(it[1], indent + '  ') for it in entries(value)])
  else ' ' + std.toString(value);

function(mixin) {
  'prometheus/hostnorm-rules.yml':
    '# Written by prometheus/mixin/generate.sh; change the mixin, not this file.' +
    write({ groups: mixin.prometheusAlerts.groups + mixin.prometheusRules.groups }, ''),
} + {
  ['grafana/dashboards/' + name]: std.manifestJsonEx(mixin.grafanaDashboards[name], '  ')
  for name in std.objectFields(mixin.grafanaDashboards)
}

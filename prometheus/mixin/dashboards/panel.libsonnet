// Grafana panels as functions with the fewest options. Other options keep Grafana's defaults.
//
// In queries `{@` stands for the target selector: `up{@}` becomes `up{job=~"$job", instance=~"$instance"}`,
// with the cluster in front where that is enabled. See board.libsonnet.
{
  local panel = self,
  local source = { type: 'prometheus', uid: '${datasource}' },
  local letters = std.stringChars('ABCDEFGHIJKLMNOPQRSTUVWXYZ'),

  // A query over the time range of the dashboard; `legend` names each series.
  query(expr, legend=''):: {
    datasource: source,
    editorMode: 'code',
    expr: expr,
    format: 'time_series',
    instant: false,
    legendFormat: if legend == '' then '__auto' else legend,
    range: true,
  },

  // A query for the newest value only.
  now(expr, legend=''):: panel.query(expr, legend) { instant: true, range: false },

  // A query for the newest value whose labels become columns of a table.
  rows(expr):: panel.now(expr) { format: 'table' },

  local base(kind, title, description, w, h, queries) = {
    type: kind,
    title: title,
    description: description,
    datasource: source,
    gridPos: { w: w, h: h },
    targets: std.mapWithIndex(function(i, it) it { refId: letters[i] }, queries),
  },

  // Color steps: pairs of a value and the color from there on; the first value is null.
  steps(pairs):: { mode: 'absolute', steps: [{ value: it[0], color: it[1] } for it in pairs] },

  // The colors of a score: the threshold is 1, and an anomaly ends below 0.7.
  score:: panel.steps([[null, 'green'], [0.7, 'yellow'], [1, 'red']]),
  calm:: panel.steps([[null, 'text']]),
  // One or more is bad.
  none:: panel.steps([[null, 'green'], [1, 'red']]),
  // Less than one is bad.
  all:: panel.steps([[null, 'red'], [1, 'green']]),

  // Words for values: triples of value, word and color.
  words(pairs):: [{
    type: 'value',
    options: { [pairs[i][0]]: { index: i, text: pairs[i][1], color: pairs[i][2] } for i in std.range(0, std.length(pairs) - 1) },
  }],

  stat(title, description, unit, queries, w=4, h=4, thresholds=panel.calm, decimals=null, mappings=[], graph='area', text='auto')::
    base('stat', title, description, w, h, queries) {
      fieldConfig: {
        defaults: {
          color: { mode: 'thresholds' },
          unit: unit,
          thresholds: thresholds,
          mappings: mappings,
        } + (if decimals == null then {} else { decimals: decimals }),
        overrides: [],
      },
      options: {
        colorMode: 'value',
        graphMode: graph,
        justifyMode: 'auto',
        orientation: 'auto',
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
        textMode: text,
      },
    },

  lines(title, description, unit, queries, w=12, h=8, min=null, max=null, stack=false, fill=8, legend='list', thresholds=null, style='line', calcs=[])::
    base('timeseries', title, description, w, h, queries) {
      fieldConfig: {
        defaults: {
                    color: { mode: 'palette-classic' },
                    unit: unit,
                    custom: {
                      barWidthFactor: 1,
                      drawStyle: style,
                      fillOpacity: if style == 'bars' then 85 else if stack then 60 else fill,
                      lineWidth: if stack then 0 else 1,
                      showPoints: 'never',
                      // A line continues over a missed scrape, but not over a minute without one.
                      spanNulls: 60000,
                      stacking: { group: 'A', mode: if stack then 'normal' else 'none' },
                      thresholdsStyle: { mode: if thresholds == null then 'off' else 'dashed' },
                    },
                  } + (if min == null then {} else { min: min })
                  + (if max == null then {} else { max: max })
                  + (if thresholds == null then {} else { thresholds: thresholds }),
        overrides: [],
      },
      options: {
        legend: { calcs: calcs, displayMode: legend, placement: if legend == 'table' then 'right' else 'bottom', showLegend: true },
        tooltip: { mode: 'multi', sort: 'desc' },
      },
    },

  // A value with its normal range. The four queries are lower, upper, expected and value.
  band(title, description, unit, queries, w=6, h=6)::
    local quiet = { hideFrom: { legend: true, tooltip: false, viz: false } };
    panel.lines(title, description, unit, [
      queries[0] { legendFormat: 'lower' },
      queries[1] { legendFormat: 'upper' },
      queries[2] { legendFormat: 'expected' },
      queries[3] { legendFormat: 'value' },
    ], w, h, fill=0) + panel.override('lower', {
      color: { mode: 'fixed', fixedColor: 'blue' },
      'custom.lineWidth': 0,
      'custom.hideFrom': quiet.hideFrom,
    }) + panel.override('upper', {
      color: { mode: 'fixed', fixedColor: 'blue' },
      'custom.lineWidth': 0,
      'custom.fillBelowTo': 'lower',
      'custom.fillOpacity': 18,
      'custom.hideFrom': quiet.hideFrom,
    }) + panel.override('expected', {
      color: { mode: 'fixed', fixedColor: 'blue' },
      'custom.lineStyle': { dash: [4, 6], fill: 'dash' },
    }) + panel.override('value', {
      color: { mode: 'fixed', fixedColor: 'orange' },
    }),

  // Sets properties of the series or column with this name, or of all that match a regular expression `/…/`.
  override(name, properties):: {
    fieldConfig+: {
      overrides+: [{
        matcher: if std.startsWith(name, '/') then { id: 'byRegexp', options: name } else { id: 'byName', options: name },
        properties: [{ id: it, value: properties[it] } for it in std.objectFields(properties)],
      }],
    },
  },

  // A link from the panel's values to another dashboard, with time range, data source and job.
  link(title, url):: {
    fieldConfig+: {
      defaults+: { links+: [{ title: title, url: url, targetBlank: false }] },
    },
  },

  // One row for each series, the value as a color from `min` to `max`.
  heat(title, description, unit, query, w=12, h=8, min=0, max=2)::
    base('heatmap', title, description, w, h, [query]) {
      maxDataPoints: 120,
      fieldConfig: { defaults: { custom: { hideFrom: { legend: false, tooltip: false, viz: false } } }, overrides: [] },
      options: {
        calculate: false,
        cellGap: 1,
        cellValues: { unit: unit, decimals: 2 },
        color: { mode: 'scheme', scheme: 'Inferno', fill: 'dark-orange', steps: 64, reverse: false, min: min, max: max },
        exemplars: { color: 'rgba(255,0,255,0.7)' },
        filterValues: { le: -1 },
        legend: { show: true },
        rowsFrame: { layout: 'auto' },
        showValue: 'never',
        tooltip: { mode: 'single', showColorScale: true, yHistogram: false },
        yAxis: { axisPlacement: 'left', reverse: true, unit: 'short' },
      },
    },

  // One row for each series, its values as colors.
  states(title, description, unit, query, w=12, h=8, thresholds=panel.calm, mappings=[])::
    base('status-history', title, description, w, h, [query]) {
      maxDataPoints: 120,
      fieldConfig: {
        defaults: {
          color: { mode: 'thresholds' },
          unit: unit,
          thresholds: thresholds,
          mappings: mappings,
          custom: { fillOpacity: 85, lineWidth: 0 },
        },
        overrides: [],
      },
      options: {
        colWidth: 0.96,
        legend: { displayMode: 'list', placement: 'bottom', showLegend: false },
        rowHeight: 0.86,
        showValue: 'never',
        tooltip: { mode: 'single', sort: 'none' },
      },
    },

  bars(title, description, unit, queries, w=8, h=8, thresholds=panel.calm, min=0, max=null, decimals=null)::
    base('bargauge', title, description, w, h, queries) {
      fieldConfig: {
        defaults: { color: { mode: 'thresholds' }, unit: unit, thresholds: thresholds, min: min }
                  + (if max == null then {} else { max: max })
                  + (if decimals == null then {} else { decimals: decimals }),
        overrides: [],
      },
      options: {
        displayMode: 'gradient',
        maxVizHeight: 24,
        minVizHeight: 12,
        minVizWidth: 8,
        namePlacement: 'left',
        orientation: 'horizontal',
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
        showUnfilled: true,
        sizing: 'auto',
        valueMode: 'color',
      },
    },

  // Each query is a column of values; `columns` are pairs of a field and its title, in order. Fields are labels, and
  // `Value #A` for the value of the first query. Other fields are hidden.
  table(title, description, unit, queries, columns, w=12, h=8, sort=null, descending=true)::
    base('table', title, description, w, h, queries) {
      fieldConfig: {
        defaults: {
          color: { mode: 'thresholds' },
          unit: unit,
          custom: { align: 'auto', cellOptions: { type: 'auto' }, filterable: false, inspect: false },
          thresholds: panel.calm,
        },
        overrides: [],
      },
      options: {
        cellHeight: 'sm',
        footer: { countRows: false, fields: '', reducer: ['sum'], show: false },
        showHeader: true,
      } + (if sort == null then {} else { sortBy: [{ displayName: sort, desc: descending }] }),
      transformations: [
        { id: 'merge', options: {} },
        { id: 'filterFieldsByName', options: { include: { names: [it[0] for it in columns] } } },
        {
          id: 'organize',
          options: {
            excludeByName: {},
            includeByName: {},
            indexByName: { [columns[i][0]]: i for i in std.range(0, std.length(columns) - 1) },
            renameByName: { [it[0]]: it[1] for it in columns if it[0] != it[1] },
          },
        },
      ],
    },

  text(title, markdown, w=24, h=6):: {
    type: 'text',
    title: title,
    description: '',
    gridPos: { w: w, h: h },
    options: { mode: 'markdown', content: markdown, code: { language: 'plaintext', showLineNumbers: false, showMiniMap: false } },
  },

  // Repeats the panel for each value of a variable.
  repeated(variable, across=4):: { repeat: variable, repeatDirection: 'h', maxPerRow: across },
}

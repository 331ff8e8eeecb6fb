// The files that are committed; see generate.sh.
(import 'files.libsonnet')(import 'mixin.libsonnet')

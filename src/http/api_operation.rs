//! The description of a route for the OpenAPI document: parameters, body, response.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Makes the JSON schema of a type.
pub(super) type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// The JSON schema of `T`, by reference to the components of the document.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The JSON schema of a reply to a command whose data are a `T`.
pub(super) fn reply_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let data = generator.subschema_for::<T>();
    json_schema!({
        "type": "object",
        "description": "The reply to a command",
        "required": ["message", "data"],
        "properties": {
            "message": {"type": "string", "description": "The outcome in one sentence"},
            "data": data,
        },
    })
}

/// What a route of the API does.
#[derive(Clone, Copy)]
pub(super) struct ApiOperation {
    /// Identifier for generated clients.
    pub(super) id: &'static str,
    /// One sentence without the final full stop.
    pub(super) summary: &'static str,
    /// Parameters in path and query.
    pub(super) parameters: &'static [ApiParameter],
    /// Body of the request with its schema; absent for routes without one.
    pub(super) body: Option<SchemaFn>,
    /// Whether the request may come without its body.
    pub(super) body_is_optional: bool,
    /// Status of a success.
    pub(super) success: u16,
    /// Media type of the response, and its schema if that is JSON.
    pub(super) response: (&'static str, Option<SchemaFn>),
    /// The setting that serves the route, which is off by default.
    pub(super) setting: Option<&'static str>,
    /// Statuses of errors besides 400 for malformed parameters.
    pub(super) errors: &'static [u16],
}

/// A parameter in path or query.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiParameter {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it is a segment of the path.
    pub(super) in_path: bool,
    /// Whether the route needs it.
    pub(super) required: bool,
    /// What it takes.
    pub(super) takes: ApiParameterType,
    /// Noun phrase without the final full stop.
    pub(super) help: &'static str,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiParameterType {
    /// Any text.
    Text,
    /// Unix seconds, RFC 3339, a day, `now`, or `-2h`.
    Instant,
    /// A duration such as `30s`.
    Duration,
}

impl ApiParameter {
    /// An optional parameter in the query.
    pub(super) const fn query(name: &'static str, takes: ApiParameterType, help: &'static str) -> Self {
        Self { name, in_path: false, required: false, takes, help }
    }

    /// A segment of the path.
    pub(super) const fn path(name: &'static str, help: &'static str) -> Self {
        Self { name, in_path: true, required: true, takes: ApiParameterType::Text, help }
    }

    /// The same, needed.
    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

impl ApiOperation {
    /// An operation without anything, to fill in.
    pub(super) const EMPTY: Self = Self {
        id: "",
        summary: "",
        parameters: &[],
        body: None,
        body_is_optional: false,
        success: 200,
        response: ("application/json", None),
        setting: None,
        errors: &[],
    };

    /// The parameters in the query.
    pub(super) fn query_parameters(&self) -> impl Iterator<Item = &'static ApiParameter> {
        self.parameters.iter().filter(|it| !it.in_path)
    }
}

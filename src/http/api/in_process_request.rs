//! Requests of the API from inside the program, without a connection.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{HeaderMap, Method, StatusCode};

use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request};
use crate::http::query_arguments::QueryArguments;
use crate::http::route::{Route, captures};

/// Gets a resource of the API, such as `explain?at=now`, without a connection.
pub(in crate::http) async fn get(
    state: &Arc<AppState>,
    resource: &str,
) -> Result<serde_json::Value, ProblemDetails> {
    let broken = |reason: String| ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, reason);
    let (path, query) =
        resource.split_once('?').map_or((resource, None), |(path, query)| (path, Some(query)));
    let path = format!("/api/v1/{path}");
    let fits = |it: &&Route| it.method == Method::GET && captures(it.pattern, &path).is_some();
    let Some(route) = super::ROUTES.iter().find(fits) else {
        return Err(broken(format!("{path} is not a resource of the API; this is a bug in hostnorm")));
    };
    let request = Request {
        headers: HeaderMap::new(),
        query: QueryArguments::parse(query, route.operation)?,
        path_arguments: captures(route.pattern, &path).unwrap_or_default(),
        body: bytes::Bytes::new(),
        is_admin: false,
    };
    let body = (route.handler)(state, request).await?.into_body().collect().await;
    let body = body.unwrap_or_else(|never| match never {}).to_bytes();
    serde_json::from_slice(&body)
        .map_err(|error| broken(format!("{path} is not JSON: {error}; this is a bug in hostnorm")))
}

//! Reads the store for a request, on a thread that may wait.

use hyper::StatusCode;

use crate::http::app_state::AppState;
use crate::http::client_context::ClientContext;
use crate::http::message::{ProblemDetails, blocking};
use crate::store::{StoreError, StoreReader};

/// The result of `read`, which gets a reader of its own once it is the turn of this client.
pub(in crate::http) async fn read_store<T: Send + 'static>(
    state: &AppState,
    read: impl FnOnce(&StoreReader) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ProblemDetails> {
    let Some(directory) = state.store.clone() else {
        let detail = "hostnorm keeps no history: storage.path is off or unknown; set it";
        return Err(ProblemDetails::new(StatusCode::CONFLICT, detail));
    };
    let client = ClientContext::current().and_then(|it| it.address);
    let permit = state.store_reads.acquire(client).await?;
    let found = blocking(move || {
        // A client that went away does not end its read: only then there is a permit for another.
        let _permit = permit;
        StoreReader::open(&directory).and_then(|reader| read(&reader).map_err(|it| reader.locate(it)))
    });
    let found = found.await?;
    found.map_err(|error| ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
}

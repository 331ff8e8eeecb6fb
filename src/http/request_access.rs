//! Who may send a request: rate limit, authentication, and the access that a route asks for.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::{HeaderMap, Method, Request, StatusCode};

use super::authentication::AuthenticatedUser;
use super::connection_peer::{ClientOrigin, ConnectionPeer};
use super::message::ProblemDetails;
use super::route::RouteAccess;
use super::web_security::{AccessSettings, ActiveConfig, WebSecurity};

/// Says whether a browser sends a request for a page of this server or for one of another.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// A client of the control socket, which its file permissions let in.
    Control,
    /// A client on the network; `None` for one that is not authenticated and need not be.
    Network(Option<AuthenticatedUser>),
}

/// Finds out who sends a request. `is_health` tells that it is for a route that a probe asks, which has no password.
///
/// # Errors
/// 429 beyond the rate limit; 421 on a connection that is older than stricter settings; 401, 429 or 503 where a password is
/// needed.
pub(super) async fn authenticate(
    security: &WebSecurity,
    peer: &ConnectionPeer,
    is_health: bool,
    headers: &HeaderMap,
) -> Result<Caller, ProblemDetails> {
    let ClientOrigin::Network(address) = peer.origin else { return Ok(Caller::Control) };
    if is_health && security.settings().health_auth_exempt {
        return Ok(Caller::Network(None));
    }
    let active = take_tokens(security, address.ip())?;
    check_handshake(&active, peer)?;
    let users = &active.config.users;
    if users.is_empty() {
        return Ok(Caller::Network(peer.certificate.clone().map(AuthenticatedUser::Certificate)));
    }
    let user = security.authenticator().user(users, address.ip(), headers).await?;
    Ok(Caller::Network(Some(user)))
}

/// Takes a token of the rate limit, and one of this client.
fn take_tokens(security: &WebSecurity, address: IpAddr) -> Result<Arc<ActiveConfig>, ProblemDetails> {
    let active = take_token(security)?;
    security.take_client_token(&active, address).map_err(|wait| {
        let what = "too many requests: a client may send 100 a second; set rate_limit for another limit";
        ProblemDetails::too_many_requests(what, wait)
    })?;
    Ok(active)
}

/// Whether a preflight request, which has no password, is answered.
///
/// # Errors
/// 429 beyond the rate limit.
pub(super) fn admit_preflight(security: &WebSecurity, peer: &ConnectionPeer) -> Result<(), ProblemDetails> {
    match peer.origin {
        ClientOrigin::Control => Ok(()),
        ClientOrigin::Network(address) => take_tokens(security, address.ip()).map(drop),
    }
}

/// Whether the handshake of this connection is enough for a web configuration that may be younger. One that verifies clients
/// has other authorities or names after each change.
///
/// # Errors
/// 421, after which a client opens another connection (RFC 9110, section 15.5.20).
fn check_handshake(active: &ActiveConfig, peer: &ConnectionPeer) -> Result<(), ProblemDetails> {
    let is_enough = match (&active.tls, &peer.tls) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(now), Some(then)) => !now.verifies_clients || Arc::ptr_eq(&now.server, then),
    };
    if is_enough {
        return Ok(());
    }
    let detail = "web.config_file has changed since this connection was opened; open another one";
    let problem = ProblemDetails::new(StatusCode::MISDIRECTED_REQUEST, detail);
    Err(problem.with(CONNECTION, HeaderValue::from_static("close")))
}

/// Takes a token of the rate limit.
///
/// # Errors
/// 429 beyond the limit.
pub(super) fn take_token(security: &WebSecurity) -> Result<Arc<ActiveConfig>, ProblemDetails> {
    let active = security.active();
    let refused =
        |wait| ProblemDetails::too_many_requests("too many requests: rate_limit allows fewer", wait);
    security.take_token(&active).map_err(refused)?;
    Ok(active)
}

/// Whether this caller may use a route.
///
/// # Errors
/// 403 with what to do.
pub(super) fn allow<B>(
    access: RouteAccess,
    caller: &Caller,
    settings: &AccessSettings,
    request: &Request<B>,
) -> Result<(), ProblemDetails> {
    let refuse = |detail: &str| Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    match (access, caller) {
        (RouteAccess::Public, _) | (RouteAccess::Admin, Caller::Control) => Ok(()),
        (RouteAccess::Admin, Caller::Network(_)) if !settings.enable_admin_api => refuse(
            "this route is served on the control socket only; on the host, use the hostnorm command or \
             curl --unix-socket with the path of the setting web.control_socket. Over TCP it needs \
             web.enable_admin_api and authentication",
        ),
        (RouteAccess::Admin, Caller::Network(None)) => refuse(
            "this route needs an authenticated user; set basic_auth_users or client certificates in web.config_file",
        ),
        (RouteAccess::Admin, Caller::Network(Some(_))) if is_cross_site(request) => {
            refuse("this request comes from a page of another site; send it from this one")
        }
        (RouteAccess::Admin, Caller::Network(Some(_))) => Ok(()),
    }
}

/// Whether a browser sends this for a page of another site: it adds the user's password to that too.
fn is_cross_site<B>(request: &Request<B>) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return false;
    }
    let text = |name| request.headers().get(name).and_then(|it: &HeaderValue| it.to_str().ok());
    if let Some(site) = text(FETCH_SITE) {
        return !matches!(site, "same-origin" | "none");
    }
    let authority = request.uri().authority().map(hyper::http::uri::Authority::as_str).or_else(|| text(HOST));
    text(ORIGIN).is_some_and(|it| it.split_once("://").map(|(_, host)| host) != authority)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_too_often_waits() {
        let settings = AccessSettings { health_auth_exempt: true, ..AccessSettings::default() };
        let security = WebSecurity::open(settings).unwrap();
        let ask = async |address: &str, is_health| {
            let origin = ClientOrigin::Network(SocketAddr::new(address.parse().unwrap(), 1));
            let peer = ConnectionPeer { origin, tls: None, certificate: None };
            authenticate(&security, &peer, is_health, &HeaderMap::new()).await.is_ok()
        };
        let (fast, other, loopback) = ("192.0.2.1", "192.0.2.2", "::ffff:127.0.0.1");
        for _ in 0..200 {
            assert!(ask(fast, false).await && ask(loopback, false).await);
        }
        assert!(!ask(fast, false).await && ask(fast, true).await);
        assert!(ask(other, false).await && ask(loopback, false).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(ask(fast, false).await && !ask(fast, false).await);
        let preflight = |address: &str| {
            let origin = ClientOrigin::Network(SocketAddr::new(address.parse().unwrap(), 1));
            admit_preflight(&security, &ConnectionPeer { origin, tls: None, certificate: None }).is_ok()
        };
        assert!(!preflight(fast) && preflight(other), "a preflight request counts, too");
    }

    fn check(
        enable_admin_api: bool,
        caller: &Caller,
        headers: &[(&'static str, &'static str)],
        expect: bool,
    ) {
        let settings = AccessSettings { enable_admin_api, ..AccessSettings::default() };
        let mut request = Request::post("/").header(HOST, "db1:19797").body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let allowed = allow(RouteAccess::Admin, caller, &settings, &request);
        assert_eq!(allowed.is_ok(), expect, "{enable_admin_api} {caller:?} {headers:?}");
        assert!(allow(RouteAccess::Public, caller, &settings, &request).is_ok());
    }

    #[test]
    fn commands_need_the_socket_or_the_setting_and_a_user() {
        let user = || Caller::Network(Some(AuthenticatedUser::Password("alice".into())));
        check(false, &Caller::Control, &[], true);
        check(false, &user(), &[], false);
        check(true, &Caller::Network(None), &[], false);
        check(true, &user(), &[], true);
    }

    #[test]
    fn a_page_of_another_site_cannot_use_the_password_in_the_browser() {
        let user = || Caller::Network(Some(AuthenticatedUser::Certificate("alice".into())));
        check(true, &user(), &[("sec-fetch-site", "same-origin")], true);
        check(true, &user(), &[("sec-fetch-site", "none")], true);
        check(true, &user(), &[("sec-fetch-site", "cross-site")], false);
        check(true, &user(), &[("sec-fetch-site", "same-site")], false);
        check(true, &user(), &[("origin", "https://db1:19797")], true);
        check(true, &user(), &[("origin", "https://evil.example")], false);
        check(true, &user(), &[("origin", "null")], false);
        check(true, &Caller::Control, &[("origin", "https://evil.example")], true);
    }
}

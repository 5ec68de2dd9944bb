//! One HTTP request on a connection of its own, and the fault that meets it.

use core::convert::Infallible;
use core::future::pending;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tablecrypt::kms::{KmsError, with_request};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Shared;
use super::fault::Fault;
use super::operation::perform;
use super::refusal::Refusal;

/// Answers one request.
pub(super) async fn exchange(stream: TcpStream, shared: Arc<Shared>) {
    // What ends a connection below HTTP: bytes to send, which may be none.
    let (sender, mut broken) = mpsc::channel::<&'static [u8]>(1);
    let service = service_fn(|request| answer(request, Arc::clone(&shared), sender.clone()));
    let mut connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A caller that hangs up in the middle is its own business.
        _ = &mut connection => {}
        Some(bytes) = broken.recv() => {
            let mut stream = connection.into_parts().io.into_inner();
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    broken: mpsc::Sender<&'static [u8]>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(refused(&Refusal::validation("the request is cut or too long"), None)),
    };
    let operation = match operation(&head.method, &head.headers) {
        Ok(operation) => operation,
        Err(refusal) => return Ok(refused(&refusal, None)),
    };
    // Seen from here on: a plan that takes the place of the one that meets this request.
    let mut plans = shared.plan.subscribe();
    let fault = shared.next_fault(&operation);
    let breaks = |bytes| async move {
        let _ = broken.send(bytes).await;
        pending().await
    };
    match fault {
        Fault::None | Fault::Refuse => {}
        Fault::Delay(time) => tokio::time::sleep(time).await,
        Fault::Hold => drop(plans.changed().await),
        Fault::Error(name) => return Ok(refused(&Refusal::new(name, MEANT), None)),
        Fault::Garbage => return Ok(response(StatusCode::OK, "<html>\u{fffd}not what you asked for".into(), None)),
        Fault::Noise => return breaks(b"\x15\x03\x01\x00\x02\x02\x46 no HTTP\n").await,
        Fault::Silent => return pending().await,
        Fault::Lost => {
            done(shared, operation, body).await;
            return breaks(b"").await;
        }
    }
    Ok(done(shared, operation, body).await)
}

/// Has it done on a thread that may wait: a LocalKms locks files.
async fn done(shared: Arc<Shared>, operation: String, body: Bytes) -> Response<Full<Bytes>> {
    let work = move || with_request(|| perform(&shared.kms, &operation, &body));
    match tokio::task::spawn_blocking(work).await {
        Ok((Ok(answer), request)) => {
            let text = if answer.is_null() { String::new() } else { answer.to_string() };
            response(StatusCode::OK, text, request)
        }
        Ok((Err(refusal), request)) => refused(&refusal, request),
        Err(_) => refused(&Refusal::of(&KmsError::Internal, ""), None),
    }
}

/// What is asked for. No page of a browser gets this far: it may not send such headers to another origin, and under a name
/// of its own that leads here it has another host.
fn operation(method: &Method, headers: &HeaderMap) -> Result<String, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !is_local(headers) {
        return Err(Refusal::new("AccessDeniedException", "ask 127.0.0.1, localhost or [::1]"));
    }
    let target = text("x-amz-target").and_then(|target| target.strip_prefix("TrentService."));
    let (&Method::POST, Some(target)) = (method, target) else {
        return Err(Refusal::new(
            "UnknownOperationException",
            "POST with X-Amz-Target: TrentService.Decrypt, for example",
        ));
    };
    let signed = text(AUTHORIZATION.as_str()).is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential="));
    if !signed {
        let why = "sign it (SigV4); the signature itself is not verified here";
        return Err(Refusal::new("MissingAuthenticationTokenException", why));
    }
    Ok(target.to_owned())
}

/// Whether the caller asked for this machine by a name that only this machine has.
pub(super) fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].contains(&host.rsplit_once(':').map_or(host, |(name, _)| name))
}

fn refused(refusal: &Refusal, request: Option<String>) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body: Value = json!({ "__type": refusal.name, "message": refusal.message });
    response(status, body.to_string(), request)
}

fn response(status: StatusCode, body: String, request: Option<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    let request = request.unwrap_or_else(|| Uuid::new_v4().to_string());
    if let Ok(request) = HeaderValue::try_from(request) {
        headers.insert("x-amzn-requestid", request);
    }
    response
}

/// 1 MiB, where the longest request that means something has some kilobytes.
const LONGEST: usize = 1 << 20;
const MEANT: &str = "a fault that this server was told to have";

//! `tablecrypt kms`: keys on the command line, and a server that a client of AWS's protocol talks to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tablecrypt::kms::{KeyState, Kms, LocalKms, Protection};

fn tablecrypt(words: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tablecrypt"));
    command.arg("kms").args(words).arg("--folder").arg(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command that failed said.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn keys_are_made_listed_disabled_and_scheduled_for_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| tablecrypt(words, folder.path());
    let arn = said(&run(&["create", "--alias", "alias/tablecrypt/default", "--description", "by hand"]));
    let arn = arn.trim_end();
    let kms = LocalKms::open(folder.path()).unwrap();
    let key = kms.describe_key("alias/tablecrypt/default").unwrap();
    assert_eq!((key.arn.as_str(), key.description.as_str()), (arn, "by hand"));
    assert_eq!(said(&run(&["list"])), format!("{}\tEnabled\talias/tablecrypt/default\tby hand\n", key.id));

    let state = || kms.describe_key(arn).unwrap().state;
    said(&run(&["disable", "alias/tablecrypt/default"]));
    assert_eq!(state(), KeyState::Disabled);
    said(&run(&["enable", arn]));
    assert_eq!(state(), KeyState::Enabled);
    let date = said(&run(&["schedule-deletion", &key.id, "--days", "7"]));
    assert!(date.starts_with("20") && date.ends_with("Z\n"), "{date}");
    assert_eq!(state(), KeyState::PendingDeletion);
    assert!(refused(&run(&["enable", arn])).contains("pending deletion"));
    said(&run(&["cancel-deletion", arn]));
    assert_eq!(state(), KeyState::Disabled);

    assert!(refused(&run(&["disable", "alias/nobody"])).contains("no such key"));
    assert!(refused(&run(&["create", "--alias", "alias/aws/mine"])).contains("alias/aws/mine"));
}

#[test]
fn passphrase_and_key_file_cover_a_folder_and_nothing_else_opens_it() {
    let place = tempfile::tempdir().unwrap();
    let (folder, key) = (place.path().join("kms"), place.path().join("key"));
    let (right, wrong, empty) = (place.path().join("right"), place.path().join("wrong"), place.path().join("empty"));
    std::fs::write(&right, "correct horse\nnothing of this line\n").unwrap();
    std::fs::write(&wrong, "correct horsf\n").unwrap();
    std::fs::write(&empty, "\n").unwrap();
    let with = |words: &[&str], option: &str, file: &Path| {
        tablecrypt(&[words, &[option, file.to_str().unwrap()]].concat(), &folder)
    };
    assert!(refused(&with(&["create"], "--passphrase-file", &empty)).contains("no passphrase"));
    said(&with(&["create"], "--passphrase-file", &right));
    assert_eq!(said(&with(&["list"], "--passphrase-file", &right)).lines().count(), 1);
    assert_eq!(
        LocalKms::open_protected(&folder, &Protection::passphrase("correct horse")).unwrap().list_keys().unwrap().len(),
        1
    );
    assert!(refused(&with(&["list"], "--passphrase-file", &wrong)).contains("not the passphrase"));
    assert!(refused(&with(&["list"], "--key-file", &key)).contains("not the passphrase"));
    assert!(refused(&tablecrypt(&["list"], &folder)).contains("covers these keys"));

    let (other, key) = (place.path().join("other"), key.to_str().unwrap());
    said(&tablecrypt(&["create", "--key-file", key], &other));
    assert_eq!(said(&tablecrypt(&["list", "--key-file", key], &other)).lines().count(), 1);
    assert_eq!(std::fs::read(key).unwrap().len(), 32);
    std::fs::write(key, [0; 32]).unwrap();
    assert!(refused(&tablecrypt(&["list", "--key-file", key], &other)).contains("not the passphrase"));
}

#[test]
fn server_says_where_it_is_and_takes_its_faults_at_run_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tablecrypt"));
    command.args(["kms", "serve", "--control", "127.0.0.1:0", "--fault", "throttle", "--folder"]).arg(folder.path());
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().strip_prefix("AWS_ENDPOINT_URL_KMS=http://").unwrap().to_owned();
    let control = lines.next().unwrap().replace("control: http://", "").replace("/fault", "");
    assert!(lines.next().unwrap().contains("signatures are not verified"));

    let list = "POST / HTTP/1.1\r\nHost: HOST\r\nX-Amz-Target: TrentService.ListKeys\r\nAuthorization: AWS4-HMAC-SHA256 \
                Credential=x\r\nContent-Length: 0\r\n\r\n";
    assert!(exchange(&address, list).contains("ThrottlingException"));
    let none = "PUT /fault HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nnone";
    assert!(exchange(&control, none).ends_with("none\n"));
    let listed = exchange(&address, list);
    assert!(
        listed.contains("200 OK") && listed.contains("x-amzn-requestid") && listed.contains("\"Keys\":[]"),
        "{listed}"
    );
    assert!(exchange(&control, "GET /requests HTTP/1.1\r\nHost: HOST\r\n\r\n").ends_with("ListKeys 2\n"));
    let strange = "GET /fault HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert!(exchange(&control, strange).starts_with("HTTP/1.1 403"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn server_listens_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = refused(&tablecrypt(&["serve", "--listen", "0.0.0.0:0"], folder.path()));
    assert!(refusal.contains("loopback only"), "{refusal}");
}

fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.replace("HOST", address).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

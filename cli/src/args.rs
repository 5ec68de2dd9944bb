//! What the command is told.

use core::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tablecrypt::audit::Head;
use tablecrypt_cli::kms_server::Plan;

/// Encryption at rest for tables.
#[derive(Parser)]
#[command(name = "tablecrypt", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Audit logs: of services, and of the KMS in a folder.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The KMS in a folder: its keys, and a server that speaks the protocol of AWS KMS.
    #[command(subcommand)]
    Kms(KmsCommand),
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Verifies a log, and prints how many lines it has and its head; or says where it is not what was written.
    ///
    /// Keep the head where the writers of the log cannot change it, and give it with --known the next time: without it
    /// nothing tells that lines are missing from the end.
    Verify {
        /// The files of the log, in the order in which they were written.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A head that was kept, NUMBER:HEX. May be given more than once.
        #[arg(long)]
        known: Vec<Head>,
        #[command(flatten)]
        key: LogKey,
    },
    /// Puts the file of a log aside, and begins a new one that goes on from it. Its writers need not stop.
    Rotate {
        /// The file of the log.
        file: PathBuf,
        /// The name that it gets.
        to: PathBuf,
        #[command(flatten)]
        key: LogKey,
    },
}

#[derive(Args)]
pub(crate) struct LogKey {
    /// The file of the key that the log's lines are bound under: 64 hexadecimal digits.
    #[arg(id = "key", long = "key", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum KmsCommand {
    /// Serves the folder's KMS over the protocol of AWS KMS, on loopback.
    ///
    /// For development and tests. Signatures are accepted and not verified: whoever reaches the port can use every key.
    /// Set AWS_ENDPOINT_URL_KMS to the address that is printed, and any region and credentials. Tags, policies and grants
    /// are taken and mean nothing.
    Serve(Serve),
    #[command(flatten)]
    Key(KeyCommand),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes a key, and an alias that names it.
    Create {
        #[command(flatten)]
        place: Place,
        /// What the key is for.
        #[arg(long, default_value = "")]
        description: String,
        /// A name such as alias/tablecrypt/default.
        #[arg(long)]
        alias: Option<String>,
    },
    /// Prints every key: id, state, description, aliases.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Lets a key be used.
    Enable(Key),
    /// Lets a key not be used, until it is enabled.
    Disable(Key),
    /// Lets a key not be used, and destroys it when the days are over: what it wrapped never opens again.
    ScheduleDeletion {
        #[command(flatten)]
        key: Key,
        /// 7 to 30.
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Keeps a key that was to be destroyed. It is disabled then.
    CancelDeletion(Key),
}

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The address to listen at; port 0 for any that is free.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub(crate) listen: SocketAddr,
    /// The address of the fault switch: PUT /fault with the words of --fault, GET /fault, GET /requests.
    #[arg(long)]
    pub(crate) control: Option<SocketAddr>,
    /// What goes wrong: none, delay=5s, hold, throttle, internal, denied, disabled, error=NAME, garbage, noise, lost, refuse or
    /// silent; and then operation=NAME and times=N if you want.
    #[arg(long, default_value = "none")]
    pub(crate) fault: Plan,
}

#[derive(Args)]
pub(crate) struct Key {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Its id, ARN or alias.
    pub(crate) key: String,
}

#[derive(Args)]
pub(crate) struct Place {
    /// The folder of the KMS.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// The folder's keys are covered by the passphrase in the first line of this file (Argon2id); - is standard input.
    ///
    /// This protects them from whoever gets the folder alone. The first use of an empty folder covers it.
    #[arg(long, conflicts_with = "key_file")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The folder's keys are covered by the 32 bytes in this file, which is made if it is missing: put it on another volume.
    #[arg(long)]
    pub(crate) key_file: Option<PathBuf>,
}

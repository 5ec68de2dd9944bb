//! `libtablecrypt.a`: the C interface, to be linked into a program.

use tablecrypt_ffi as _;

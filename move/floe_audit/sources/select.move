/// Recomputes what a round asks of a shard.
///
///     D      = blake2b-256("floe-audit/select/v1", seed 32, mode u8, shard u16 LE, t u32 LE, size u64 LE)
///     x      = big-endian D[0..16)
///     axis   = D[16] & 1                        0 primary, 1 secondary
///     symbol = big-endian D[24..30) mod n
///     leaf   = x mod size                       mode 0: every blob alike; size = entries of the population
///              the entry with cum <= x mod size < cum + encoded size
///                                               mode 1: by bytes; size = encoded bytes of the population
///
/// Modes 2 and 3 (deletable blobs, blobs of the current epoch) are drawn off chain only.
///
/// Entry of a population, 61 bytes: blob ID 32, encoding u8, unencoded length u64 LE, end epoch u32 LE,
/// cum u128 LE = encoded bytes of all entries before it. Entries ascend by blob ID.
module floe_audit::select;

use floe_audit::proof;
use std::bcs;
use sui::hash::blake2b256;

/// A seed or blob ID does not have 32 bytes, or an entry 61.
const EDigestLength: u64 = 4;
/// The mode is not claimable, the population is empty, or the entry is not the one drawn.
const ESelection: u64 = 16;

const DOMAIN: vector<u8> = b"floe-audit/select/v1";
const ENTRY_BYTES: u64 = 61;

const PER_BLOB: u8 = 0;
const PER_BYTE: u8 = 1;

public struct Draw has copy, drop { x: u128, axis: u8, symbol: u16 }

/// One blob of a population.
public struct PopEntry has copy, drop, store {
    blob_id: vector<u8>,
    encoding: u8,
    unencoded_length: u64,
    end_epoch: u32,
    cum: u128,
}

public fun x(self: &Draw): u128 { self.x }

public fun axis(self: &Draw): u8 { self.axis }

public fun symbol(self: &Draw): u16 { self.symbol }

public fun blob_id(self: &PopEntry): &vector<u8> { &self.blob_id }

public fun encoding(self: &PopEntry): u8 { self.encoding }

public fun unencoded_length(self: &PopEntry): u64 { self.unencoded_length }

public fun end_epoch(self: &PopEntry): u32 { self.end_epoch }

public fun cum(self: &PopEntry): u128 { self.cum }

/// The draw of (seed, mode, shard, t) over `size` entries (mode 0) or encoded bytes (mode 1).
public fun draw(seed: &vector<u8>, mode: u8, shard: u16, t: u32, size: u64, n_shards: u16): Draw {
    assert!(seed.length() == 32, EDigestLength);
    let mut message = DOMAIN;
    message.append(*seed);
    message.push_back(mode);
    message.append(bcs::to_bytes(&shard));
    message.append(bcs::to_bytes(&t));
    message.append(bcs::to_bytes(&size));
    let digest = blake2b256(&message);
    let symbol = big_endian(&digest, 24, 30) % (n_shards as u128);
    Draw { x: big_endian(&digest, 0, 16), axis: digest[16] & 1, symbol: symbol as u16 }
}

/// Aborts unless `entry` at leaf `index` of a population is what `draw` selected.
public fun assert_selected(
    draw: &Draw,
    mode: u8,
    index: u64,
    entry: &PopEntry,
    entries: u64,
    total_bytes: u128,
    n_shards: u16,
) {
    if (mode == PER_BLOB) {
        assert!(entries > 0 && (index as u128) == draw.x % (entries as u128), ESelection);
    } else {
        assert!(mode == PER_BYTE && total_bytes > 0, ESelection);
        let offset = draw.x % total_bytes;
        let bytes = proof::encoded_length(n_shards, entry.unencoded_length) as u128;
        assert!(entry.cum <= offset && offset - entry.cum < bytes, ESelection);
    }
}

/// Reads the 61 bytes of an entry.
public fun parse_entry(bytes: &vector<u8>): PopEntry {
    assert!(bytes.length() == ENTRY_BYTES, EDigestLength);
    let mut blob_id = vector[];
    let mut i = 0;
    while (i < 32) {
        blob_id.push_back(bytes[i]);
        i = i + 1;
    };
    PopEntry {
        blob_id,
        encoding: bytes[32],
        unencoded_length: little_endian(bytes, 33, 41) as u64,
        end_epoch: little_endian(bytes, 41, 45) as u32,
        cum: little_endian(bytes, 45, 61),
    }
}

fun big_endian(bytes: &vector<u8>, from: u64, to: u64): u128 {
    let mut value = 0;
    let mut i = from;
    while (i < to) {
        value = (value << 8) | (bytes[i] as u128);
        i = i + 1;
    };
    value
}

fun little_endian(bytes: &vector<u8>, from: u64, to: u64): u128 {
    let mut value = 0;
    let mut i = to;
    while (i > from) {
        i = i - 1;
        value = (value << 8) | (bytes[i] as u128);
    };
    value
}

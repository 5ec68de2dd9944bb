//! Many records at once: each is as one by one, and has an answer of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{World, world_with_flights};
use tablecrypt::{Error, Item, OVERHEAD, Structure};

/// Around what is laid out with others (1024) and what is not.
const LENGTHS: &[usize] = &[0, 1, 15, 16, 17, 64, 96, 97, 1000, 1023, 1024, 1025, 5000];
/// Around what fits on the stack, and into a batch (4088).
const CONTEXTS: &[usize] = &[0, 1, 22, 56, 57, 248, 249, 2000, 4087, 4088, 4089, 10_000];

fn base(world: &World) -> Structure {
    world.service.open_table("flights").unwrap().base()
}

/// A context and a text that no other item has.
fn item(i: usize) -> (Vec<u8>, Vec<u8>) {
    let (context, text) = (CONTEXTS[i % CONTEXTS.len()], LENGTHS[i % LENGTHS.len()]);
    (vec![i.to_le_bytes()[0]; context], (0..text).map(|at| (at + i).to_le_bytes()[0]).collect())
}

/// Seals or opens into outputs that are `longer` than they need to be, and gives the answers with what stands there.
fn into(
    pairs: &[(Vec<u8>, Vec<u8>)],
    length: impl Fn(usize) -> usize,
    call: impl FnOnce(&mut [Item<'_>]),
) -> Vec<(Result<usize, Error>, Vec<u8>)> {
    let mut outs: Vec<_> = pairs.iter().map(|(_, input)| vec![0xa5; length(input.len())]).collect();
    let mut items: Vec<_> =
        pairs.iter().zip(&mut outs).map(|((context, input), out)| Item::new(context, input, out)).collect();
    call(&mut items);
    let written: Vec<_> = items.into_iter().map(|item| item.written).collect();
    written.into_iter().zip(outs).collect()
}

#[test]
fn batches_of_any_size_are_as_one_by_one() {
    let base = base(&world_with_flights());
    for count in [0, 1, 2, 7, 63, 64, 65, 128, 300] {
        let items: Vec<_> = (0..count).map(item).collect();
        let sealed = into(&items, |text| text + OVERHEAD + 5, |items| base.seal_many_into(items).unwrap());
        assert_eq!(sealed.len(), count);
        let mut records = Vec::new();
        for ((written, mut record), (context, text)) in sealed.into_iter().zip(&items) {
            assert_eq!(written.unwrap(), text.len() + OVERHEAD);
            assert_eq!(record.split_off(text.len() + OVERHEAD), [0xa5; 5], "no more is written");
            assert!(base.open(context, &record).unwrap() == *text);
            records.push((context.clone(), record));
        }
        let one_by_one = items.iter().map(|(context, text)| (context.clone(), base.seal(context, text).unwrap()));
        for records in [records, one_by_one.collect()] {
            let opened = into(&records, |record| record - OVERHEAD + 5, |items| base.open_many_into(items).unwrap());
            for ((written, mut out), (_, text)) in opened.into_iter().zip(&items) {
                assert_eq!(written.unwrap(), text.len());
                assert_eq!(out.split_off(text.len()), [0xa5; 5], "no more is written");
                assert!(out == *text);
            }
        }
    }
}

#[test]
fn each_bad_record_among_good_ones_has_its_error_and_clears_its_own_output_alone() {
    let world = world_with_flights();
    let base = base(&world);
    let local = world.service.open_table("flights").unwrap().local("by-delay").unwrap();
    for length in [64, 1024, 1025] {
        let text = vec![0x5a; length];
        let good = base.seal(b"key", &text).unwrap();
        let changed = |at: usize| {
            let mut record = good.clone();
            record[at] ^= 1;
            record
        };
        let bad: Vec<(&[u8], Vec<u8>)> = vec![
            (b"another", good.clone()),
            (b"key", changed(0)),
            (b"key", changed(2)),
            (b"key", changed(8)),
            (b"key", changed(31)),
            (b"key", changed(32)),
            (b"key", changed(length + OVERHEAD - 1)),
            (b"key", good[..good.len() - 1].to_vec()),
            (b"key", good[..OVERHEAD - 1].to_vec()),
            (b"key", Vec::new()),
            (b"key", local.seal(b"key", &text).unwrap()),
        ];
        let records: Vec<_> = bad
            .iter()
            .flat_map(|(context, record)| [(b"key".to_vec(), good.clone()), (context.to_vec(), record.clone())])
            .collect();
        let mut outs = vec![vec![0xa5; length]; records.len()];
        let mut items: Vec<_> =
            records.iter().zip(&mut outs).map(|((context, record), out)| Item::new(context, record, out)).collect();
        base.open_many_into(&mut items).unwrap();
        let written: Vec<_> = items.into_iter().map(|item| item.written).collect();
        for (i, (written, out)) in written.into_iter().zip(&outs).enumerate() {
            if i.is_multiple_of(2) {
                assert_eq!(written.unwrap(), length, "{i}");
                assert!(*out == text, "{i}");
                continue;
            }
            // As the call for one says, to the byte.
            let ((context, record), mut single) = (&records[i], vec![0xa5; length]);
            let expected = base.open_into(context, record, &mut single).unwrap_err();
            assert_eq!(written.unwrap_err().to_string(), expected.to_string(), "{i}");
            assert!(*out == single, "{i}");
        }
    }
}

#[test]
fn a_short_output_among_good_ones_is_an_error_of_its_own_and_untouched() {
    let base = base(&world_with_flights());
    let texts: Vec<_> = (0..9_u8).map(|i| (vec![i], vec![i; 60])).collect();
    for short in 0..9 {
        let mut outs: Vec<_> = (0..9).map(|i| vec![0xa5; 108 - usize::from(i == short)]).collect();
        let mut items: Vec<_> = texts.iter().zip(&mut outs).map(|((c, text), out)| Item::new(c, text, out)).collect();
        base.seal_many_into(&mut items).unwrap();
        for (i, item) in items.iter_mut().enumerate() {
            match &item.written {
                Err(Error::OutputTooShort { needed: 108 }) => assert_eq!(i, short),
                written => assert_eq!(*written.as_ref().unwrap(), 108),
            }
        }
        assert_eq!(outs[short], [0xa5; 107]);
        outs[short] = base.seal(&texts[short].0, &texts[short].1).unwrap();
        let mut opened: Vec<_> = (0..9).map(|i| vec![0xa5; 60 - usize::from(i == short)]).collect();
        let mut items: Vec<_> =
            texts.iter().zip(&outs).zip(&mut opened).map(|(((c, _), record), out)| Item::new(c, record, out)).collect();
        base.open_many_into(&mut items).unwrap();
        for (i, item) in items.iter().enumerate() {
            match &item.written {
                Err(Error::OutputTooShort { needed: 60 }) => assert_eq!(i, short),
                written => assert_eq!(*written.as_ref().unwrap(), 60),
            }
        }
        assert_eq!(opened[short], [0xa5; 59]);
    }
}

#[test]
fn records_of_many_sessions_open_in_one_batch() {
    let world = world_with_flights();
    // Each service is a process of its own, with a session of its own: more of them than a batch has keys.
    let writers: Vec<_> = (0..30).map(|_| world.another_service().open_table("flights").unwrap().base()).collect();
    let records: Vec<_> = (0..400_usize)
        .map(|i| {
            // Alone at first, then in turns, then in runs.
            let writer = if i < 100 {
                0
            } else if i < 250 {
                i % 30
            } else {
                i / 20 % 30
            };
            let (context, text) = (vec![7; i % 90], vec![i.to_le_bytes()[0]; i % 200]);
            (writers[writer].seal(&context, &text).unwrap(), context, text)
        })
        .collect();
    let base = base(&world);
    let pairs: Vec<_> = records.iter().map(|(record, context, _)| (&context[..], &record[..])).collect();
    // With no session in the cache, and then with those that it keeps.
    for _ in 0..3 {
        for (opened, (_, _, text)) in base.open_many(&pairs).unwrap().into_iter().zip(&records) {
            assert_eq!(opened.unwrap(), *text);
        }
    }
}

#[test]
fn nonces_of_batches_threads_and_single_calls_are_never_the_same() {
    let base = &base(&world_with_flights());
    let seal = |thread: usize| {
        let text = [0x5a; 10];
        let mut nonces = Vec::new();
        for i in 0..60 {
            let items = vec![(&b"key"[..], &text[..]); 1 + (i * 7 + thread) % 130];
            let mut records = base.seal_many(&items).unwrap();
            records.push(base.seal(b"key", &text).unwrap());
            nonces.extend(records.iter().map(|record| record[8..32].to_vec()));
        }
        nonces
    };
    let mut nonces: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || seal(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let all = nonces.len();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), all);
    assert!(all > 10_000, "ten leases at least, so that some end in a batch");
}

#[test]
fn locked_keys_are_the_answer_of_the_call_and_of_each_item() {
    let world = world_with_flights();
    let base = base(&world);
    let record = base.seal(b"key", b"text").unwrap();
    world.disable_key();
    world.advance(331);
    let mut out = [0xa5; 100];
    let mut items = [Item::new(b"key", &record, &mut out)];
    assert!(matches!(base.open_many_into(&mut items), Err(Error::KeyDisabled)));
    assert!(matches!(items[0].written, Err(Error::KeyDisabled)));
    assert!(matches!(base.seal_many_into(&mut items), Err(Error::KeyDisabled)));
    assert!(matches!(items[0].written, Err(Error::KeyDisabled)));
    assert!(matches!(base.seal_many_into(&mut []), Err(Error::KeyDisabled)), "a batch of no items asks as well");
    assert_eq!(out, [0xa5; 100]);
}

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { collectUntil } from "../support/garbage.ts";
import { pool, PooledStorage, type SharedMemory, Storage } from "../../lib/memory/mod.ts";
import { addObserver } from "../../lib/memory/observer.ts";

const mib = 1 << 20;

function bytesOf(storage: Storage): Uint8Array {
  return new Uint8Array(storage.buffer, storage.bufferOffset, storage.byteLength);
}

Deno.test(
  "a storage gives its memory back with its last reference",
  withoutLeaks(() => {
    const { outstanding } = pool.stats();
    const storage = new PooledStorage(1000);
    assertEquals([storage.byteLength, storage.references], [1000, 1]);
    storage.retain();
    storage.release();
    assertEquals(pool.stats().outstanding, outstanding + 1);
    storage.release();
    assertEquals([storage.references, pool.stats().outstanding], [0, outstanding]);
    assertThrows(() => storage.release(), Error, "released more often than retained");
    assertThrows(() => storage.retain(), Error, "retained after its last release");
    assertThrows(() => storage.share(1), Error, "shared after its last release");
  }),
);

Deno.test(
  "a storage of no bytes has an address, and a view of none",
  withoutLeaks(() => {
    const storage = new PooledStorage(0);
    assert(storage.address !== 0n);
    assertEquals(bytesOf(storage).length, 0);
    storage.release();
  }),
);

Deno.test(
  "observers hear of a storage with the bytes asked for, and once when it ends",
  withoutLeaks(() => {
    const heard: unknown[] = [];
    using _listening = addObserver({
      allocated: (holder, bytes) => heard.push(holder, bytes),
      freed: (holder) => heard.push(holder),
    });
    const storage = new PooledStorage(1000);
    storage.retain();
    storage.release();
    storage.release();
    assertEquals(heard.length, 3);
    assertStrictEquals(heard[0], storage);
    assertEquals(heard[1], 1000);
    assertStrictEquals(heard[2], storage);
  }),
);

for (const bytes of [1000, 3 * mib]) {
  Deno.test(
    `${bytes} shared bytes are the same memory, and stay until the last holder is done`,
    withoutLeaks(() => {
      const before = pool.stats();
      const sender = new PooledStorage(bytes);
      const view = bytesOf(sender).fill(5);
      const ticket = structuredClone(sender.share(2));
      sender.release();
      assertEquals(pool.stats().shared, before.shared + 1);
      const [first, second] = [Storage.claim(ticket), Storage.claim(ticket)];
      assertEquals(first.address, sender.address);
      assert(first.byteLength >= bytes);
      // Nobody else was given the memory meanwhile.
      const others = pool.acquireBatch(bytes, 4);
      assert(others.every(({ address }) => address !== sender.address));
      pool.releaseBatch(others);
      first.release();
      assert(bytesOf(second).subarray(0, bytes).every((byte) => byte === 5));
      bytesOf(second)[0] = 6;
      assertEquals(view[0], 6);
      second.release();
      assertEquals(pool.stats().shared, before.shared);
      assertEquals(pool.stats().liveBytes, before.liveBytes);
    }),
  );
}

Deno.test(
  "a ticket serves as many claims as it was shared for, and none when it is stale",
  withoutLeaks(() => {
    const storage = new PooledStorage(1000);
    const ticket = storage.share(1);
    Storage.claim(ticket).release();
    assertThrows(() => Storage.claim(ticket), Error, "Storage.claim: ");
    storage.release();
    assertThrows(() => Storage.claim(ticket), Error, "a ticket serves as many claims as it was");
    const reused = new PooledStorage(1000);
    assertThrows(() => Storage.claim(ticket), Error, "Storage.claim: ");
    reused.release();
  }),
);

Deno.test("a ticket that names no memory of the pool is refused", () => {
  const tickets: SharedMemory[] = [
    { address: 0n, generation: 1, byteOffset: 0 },
    { address: 64n, generation: 1, byteOffset: 0 },
    { address: 2n ** 63n, generation: 1, byteOffset: 0 },
  ];
  for (const ticket of tickets) {
    assertThrows(() => Storage.claim(ticket), Error, "Storage.claim: ");
  }
});

Deno.test(
  "memory is shared with a number of receivers",
  withoutLeaks(() => {
    const storage = new PooledStorage(1000);
    for (const receivers of [0, -1, 1.5, NaN, 2 ** 32]) {
      assertThrows(() => storage.share(receivers), RangeError, `not ${receivers}`);
    }
    storage.release();
  }),
);

Deno.test("claimed memory that is forgotten comes back", async () => {
  const before = pool.stats();
  (() => {
    const sender = new PooledStorage(1000);
    Storage.claim(sender.share(1));
    sender.release();
  })();
  assert(await collectUntil(() => pool.stats().outstanding === before.outstanding));
  assertEquals(pool.stats().shared, before.shared);
});

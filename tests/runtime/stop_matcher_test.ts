import { assertEquals, assertThrows } from "@std/assert";
import { StopMatcher } from "../../lib/runtime/stop_matcher.ts";

/** Feeds a text in pieces and returns what was shown, and whether it stopped. */
function feed(stops: string[], pieces: string[]): [string, boolean] {
  const matcher = new StopMatcher(stops);
  let shown = "";
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece);
    shown += text;
    if (stopped) return [shown, true];
  }
  return [shown + matcher.flush(), false];
}

Deno.test("a stop string is found however the text is cut", () => {
  const text = "one two END three";
  for (let a = 0; a <= text.length; a++) {
    for (let b = a; b <= text.length; b++) {
      const pieces = [text.slice(0, a), text.slice(a, b), text.slice(b)];
      assertEquals(feed(["END"], pieces), ["one two ", true]);
    }
  }
});

Deno.test("text that only begins a stop string comes out in full", () => {
  for (const text of ["aab", "EN", "ENE", "ENEN", "EEN"]) {
    assertEquals(feed(["END"], [...text]), [text, false]);
  }
});

Deno.test("the first of several stop strings wins", () => {
  assertEquals(feed(["cd", "bc"], ["a", "b", "c", "d"]), ["a", true]);
  assertEquals(feed(["\n\n", "User:"], ["Hi\n", "\nUser:"]), ["Hi", true]);
});

Deno.test("overlapping beginnings are held back only as long as they must", () => {
  const matcher = new StopMatcher(["aab"]);
  assertEquals(matcher.push("a").text, "");
  assertEquals(matcher.push("a").text, "");
  assertEquals(matcher.push("a").text, "a");
  assertEquals(matcher.push("b"), { text: "", stopped: true });
});

Deno.test("an empty stop string is refused", () => {
  assertThrows(() => new StopMatcher(["a", ""]), RangeError, "empty");
});

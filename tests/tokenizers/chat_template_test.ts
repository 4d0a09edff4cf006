import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { renderChat } from "../../lib/tokenizers/mod.ts";

const CHATML = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + " +
  "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

Deno.test("renderChat() writes the messages through the template", () => {
  const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Why?" }];
  const expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n";
  assertEquals(renderChat(CHATML, messages), expected);
  assertEquals(
    renderChat(CHATML, messages, { addGenerationPrompt: true }),
    expected + "<|im_start|>assistant\n",
  );
});

Deno.test("renderChat() gives the template the tokens that begin and end a text", () => {
  const template = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}";
  const messages = [{ role: "user", content: "x" }];
  assertEquals(renderChat(template, messages, { bosToken: "<s>", eosToken: "</s>" }), "<s>x</s>");
  assertEquals(renderChat(template, messages), "x");
});

Deno.test("renderChat() throws TypeError without a template", () => {
  const messages = [{ role: "user", content: "x" }];
  assertThrows(() => renderChat("", messages), TypeError, "no chat template");
  assertThrows(() => renderChat(undefined, messages), TypeError, "no chat template");
});

Deno.test("renderChat() throws TypeError for malformed messages", () => {
  assertThrows(() => renderChat(CHATML, []), TypeError, "no message");
  const bad = JSON.parse('[{"role":"user","content":"x"},{"role":"user"}]');
  assertThrows(() => renderChat(CHATML, bad), TypeError, "messages[1].content");
  assertThrows(() => renderChat(CHATML, [{ role: "", content: "x" }]), TypeError, "role");
  assertThrows(() => renderChat(CHATML, JSON.parse('"hi"')), TypeError, "array");
});

Deno.test("renderChat() throws SyntaxError for a template that cannot be read", () => {
  const error = assertThrows(
    () => renderChat("{% for x in %}", [{ role: "user", content: "x" }]),
    SyntaxError,
  );
  assertStringIncludes(error.message, "renderChat(): the template cannot be read");
});

Deno.test("renderChat() passes on a template's own complaint with the roles", () => {
  const template = "{{ raise_exception('roles must alternate') }}";
  const messages = [{ role: "user", content: "x" }, { role: "user", content: "y" }];
  const error = assertThrows(() => renderChat(template, messages), RangeError);
  assertStringIncludes(error.message, "roles must alternate");
  assertStringIncludes(error.message, "user, user");
});

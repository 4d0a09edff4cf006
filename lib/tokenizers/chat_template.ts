/**
 * Conversations to prompts, through the Jinja template that a model carries.
 *
 * @module
 */
import { Template } from "@huggingface/jinja";

/** One message of a conversation. */
export interface ChatMessage {
  /** Who speaks. */
  role: "system" | "user" | "assistant" | (string & Record<never, never>);
  /** What is said. */
  content: string;
}

/** What a template may use besides the messages. */
export interface ChatOptions {
  /** Ends the prompt where the assistant's answer begins. Default: false. */
  addGenerationPrompt?: boolean;
  /** The text of the token that begins a text. Default: empty. */
  bosToken?: string;
  /** The text of the token that ends a text. Default: empty. */
  eosToken?: string;
}

/**
 * Writes a conversation as the prompt that a model was trained with.
 * @param template The model's template (`Tokenizer.chatTemplate`).
 * @param messages The conversation, at least one message.
 * @param options What the template may use besides.
 * @returns The prompt; encode it with `parseSpecial` and, where the template writes BOS itself,
 * without `addSpecial`.
 * @throws {TypeError} When the template is missing or a message is malformed.
 * @throws {SyntaxError} When the template cannot be read.
 * @throws {RangeError} When the template refuses these messages.
 *
 * @example
 * ```ts
 * import { renderChat } from "@quern/quern/tokenizers";
 *
 * const template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
 * console.log(renderChat(template, [{ role: "user", content: "Why do mills turn?" }]));
 * // <user>Why do mills turn?
 * ```
 */
export function renderChat(
  template: string | undefined,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): string {
  if (typeof template !== "string" || template === "") {
    throw new TypeError(
      "renderChat(): the model has no chat template; give it a prompt as plain text instead",
    );
  }
  checkMessages(messages);
  const parsed = parse(template);
  const values = {
    messages: messages.map((message) => ({ ...message })),
    add_generation_prompt: options.addGenerationPrompt ?? false,
    bos_token: options.bosToken ?? "",
    eos_token: options.eosToken ?? "",
  };
  return render(parsed, values, messages);
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages)) throw new TypeError("renderChat(): messages must be an array");
  if (messages.length === 0) throw new TypeError("renderChat(): there is no message");
  messages.forEach((message, index) => {
    for (const key of ["role", "content"] as const) {
      const got = typeof message?.[key];
      if (got === "string") continue;
      throw new TypeError(`renderChat(): messages[${index}].${key} must be a string, got ${got}`);
    }
    if (message.role === "") throw new TypeError(`renderChat(): messages[${index}].role is empty`);
  });
}

function parse(template: string): Template {
  try {
    return new Template(template);
  } catch (cause) {
    throw new SyntaxError(`renderChat(): the template cannot be read: ${reason(cause)}`, { cause });
  }
}

function render(
  template: Template,
  values: Record<string, unknown>,
  messages: readonly ChatMessage[],
): string {
  try {
    return template.render(values);
  } catch (cause) {
    const roles = messages.map((message) => message.role).join(", ");
    throw new RangeError(
      `renderChat(): the template failed on ${messages.length} message(s) (${roles}): ` +
        reason(cause),
      { cause },
    );
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * Classifiers from folders, and folders that hold none.
 */
import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { withoutLeaksAsync } from "../../support/native.ts";
import { classifierReferences } from "../../support/small_classifier.ts";
import { encoderReferences } from "../../support/small_encoder.ts";
import { writeSmallModel } from "../../support/small_folder.ts";
import { TextClassifier } from "../../../lib/runtime/mod.ts";

Deno.test(
  "TextClassifier.load() loads what transformers saves, and says what is missing elsewhere",
  withoutLeaksAsync(async () => {
    const folder = await Deno.makeTempDir();
    try {
      for (const [name, entry] of Object.entries(classifierReferences)) {
        await writeSmallModel(folder, entry);
        using classifier = await TextClassifier.load(folder);
        const [{ scores }] = await classifier.classify([["the mill", "cafe"]]);
        assertEquals(scores.length, entry.logits[0].length, name);
        assertEquals([classifier.name, classifier.maxTokens], [folder, 20]);
        if (name !== "bert") continue;
        assertEquals(classifier.labels, ["bad", "so so", "good"]);
        assertAlmostEquals(scores.reduce((sum, score) => sum + score, 0), 1, 1e-6);
      }
      await writeSmallModel(folder, encoderReferences.bert);
      await assertRejects(
        () => TextClassifier.load(folder),
        SyntaxError,
        "has no classifier's weights",
      );
      await Deno.remove(`${folder}/config.json`);
      await assertRejects(() => TextClassifier.load(folder), SyntaxError, "no config.json");
      const file = `${folder}/tokenizer.json`;
      await assertRejects(() => TextClassifier.load(file), RangeError, "loaded from folders");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }),
);

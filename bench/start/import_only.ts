/** Imports Quern. */
import "../../mod.ts";

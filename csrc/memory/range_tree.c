/*
 * memory/range_tree.c: the free ranges of all large segments, as a treap.
 *
 * It is ordered by pages and then by the address of the range's metadata. A node's
 * priority is a hash of that address, so the shape depends on the set of free
 * ranges alone.
 */
#include "memory/large_layout.h"

range *qn_range_tree;

static uint64_t priority(const range *node) {
  uint64_t x = (uint64_t)(uintptr_t)node;
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
  return x ^ x >> 33;
}

static bool is_before(const range *a, const range *b) {
  if (a->pages != b->pages) return a->pages < b->pages;
  return (uintptr_t)a < (uintptr_t)b;
}

/* Parts a tree into what comes before `pivot` and the rest. */
static void treap_split(range *tree, const range *pivot, range **before, range **rest) {
  while (tree != NULL) {
    if (is_before(tree, pivot)) {
      *before = tree;
      before = &tree->right;
      tree = tree->right;
    } else {
      *rest = tree;
      rest = &tree->left;
      tree = tree->left;
    }
  }
  *before = NULL;
  *rest = NULL;
}

void qn_range_insert(range *node) {
  range **link = &qn_range_tree;
  uint64_t rank = priority(node);
  while (*link != NULL && priority(*link) >= rank) {
    link = is_before(*link, node) ? &(*link)->right : &(*link)->left;
  }
  treap_split(*link, node, &node->left, &node->right);
  *link = node;
}

void qn_range_remove(range *node) {
  range **link = &qn_range_tree;
  while (*link != node) link = is_before(*link, node) ? &(*link)->right : &(*link)->left;
  range *a = node->left;
  range *b = node->right;
  while (a != NULL && b != NULL) {
    if (priority(a) >= priority(b)) {
      *link = a;
      link = &a->right;
      a = a->right;
    } else {
      *link = b;
      link = &b->left;
      b = b->left;
    }
  }
  *link = a != NULL ? a : b;
}

/* The smallest free range of at least `pages`, or null. */
range *qn_range_best_fit(uint32_t pages) {
  range *best = NULL;
  for (range *at = qn_range_tree; at != NULL;) {
    if (at->pages >= pages) {
      best = at;
      at = at->left;
    } else {
      at = at->right;
    }
  }
  return best;
}

/* Counts the nodes of a tree; UINT64_MAX when it is not in order. */
static uint64_t check_tree(const range *node, const range *after, const range *before) {
  if (node == NULL) return 0;
  bool ordered = (after == NULL || is_before(after, node)) &&
                 (before == NULL || is_before(node, before));
  bool heap = (node->left == NULL || priority(node->left) <= priority(node)) &&
              (node->right == NULL || priority(node->right) <= priority(node));
  uint64_t left = check_tree(node->left, after, node);
  uint64_t right = check_tree(node->right, node, before);
  bool good = ordered && heap && node->state == RANGE_FREE && left != UINT64_MAX;
  return good && right != UINT64_MAX ? left + right + 1 : UINT64_MAX;
}

uint64_t qn_range_check(void) { return check_tree(qn_range_tree, NULL, NULL); }

// A row's choice: the best token (or NO_TOKEN), its share in the softmax of all scores, and the token with the second
// best score.
struct Chosen { token: u32, confidence: f32, runner_up: u32 }

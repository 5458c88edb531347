// What a row chose.
struct Choice { token: u32, confidence: f32, second: u32 }

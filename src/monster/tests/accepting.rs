//! What can be opened as a socket, and what is answered to whatever comes on it.

use super::Gateway;
use futures_util::{SinkExt as _, StreamExt as _};
use monster_testkit::MonsterClient;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

#[tokio::test]
async fn an_anonymous_socket_may_ask_who_somebody_is_and_nothing_else() {
    let gateway = Gateway::start().await;
    let mut client = gateway.anonymous("alice").await;
    let answer = client.request(json!({"code": "1000"})).await;
    assert_eq!((answer["statusCode"].as_str(), answer["nickname"].as_str()), (Some("100"), Some("alice")));
    let answer = client.request(json!({"code": "2001", "text": "aGk="})).await;
    assert_eq!(answer["statusCode"], "400", "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("who they are"), "{answer}");
}

#[tokio::test]
async fn the_seeds_own_spelling_is_understood() {
    let gateway = Gateway::start().await;
    let mut client = gateway.anonymous("alice").await;
    client.send_raw("{\n    messageId:\"121111\",\n    code:\"1000\"\n}").await;
    assert_eq!(client.any_answer().await["messageId"], "121111");
}

#[tokio::test]
async fn what_is_no_frame_is_answered_in_words_and_the_socket_stays_open() {
    let gateway = Gateway::start().await;
    let mut client = gateway.home("alice").await;
    let long_id = "x".repeat(10_000);
    let bob = gateway.address("bob");
    let bad = [
        "hello".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        json!({"messageId": "1"}).to_string(),
        json!({"code": "1000"}).to_string(),
        json!({"messageId": "1", "code": "9999"}).to_string(),
        json!({"messageId": long_id, "code": "1000"}).to_string(),
        json!({"messageId": "1", "code": "2001", "to": bob}).to_string(),
        json!({"messageId": "1", "code": "2001", "to": bob, "text": "%%%"}).to_string(),
        json!({"messageId": "1", "code": "2001", "to": bob, "text": "/w=="}).to_string(),
        json!({"messageId": "1", "code": "2001", "to": "@bob\n:gw", "text": "aGk="}).to_string(),
        json!({"messageId": "1", "code": "2004", "to": bob}).to_string(),
    ];
    for frame in bad {
        client.send_raw(&frame).await;
        let answer = client.any_answer().await;
        assert_eq!(answer["statusCode"], "400", "{frame} was answered with {answer}");
        assert!(!answer["error"].as_str().unwrap().is_empty(), "{answer}");
        if frame.contains("\"1\"") {
            assert_eq!(answer["messageId"], "1", "{frame} was answered with {answer}");
        }
    }
    assert_eq!(client.request(json!({"code": "1000"})).await["statusCode"], "100");
}

#[tokio::test]
async fn a_call_where_calls_are_switched_off_has_a_clear_answer() {
    let gateway = Gateway::start().await;
    let mut client = gateway.home("alice").await;
    for code in ["2002", "2003"] {
        let answer = client.request(json!({"code": code, "to": gateway.address("bob"), "text": "djAK"})).await;
        assert_eq!(answer["statusCode"], "400");
        assert!(answer["error"].as_str().unwrap().contains("calls are switched off"), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_answered() {
    let gateway = Gateway::start().await;
    let mut client = gateway.home("alice").await;
    client.send_raw(&json!({"messageId": "nothing", "statusCode": "200"}).to_string()).await;
    client.send_raw(&json!({"messageId": "nothing", "statusCode": {}}).to_string()).await;
    let answer = client.request(json!({"code": "1000"})).await;
    assert_eq!(answer["statusCode"], "100");
}

#[tokio::test]
async fn a_frame_that_is_too_long_closes_the_socket_with_1009() {
    let gateway = Gateway::start().await;
    let mut client = gateway.anonymous("alice").await;
    let fits = json!({"messageId": "1", "code": "1000", "x": "y".repeat(250 * 1024)}).to_string();
    client.send_raw(&fits).await;
    assert_eq!(client.any_answer().await["statusCode"], "100");
    client.send_raw(&"x".repeat(300 * 1024)).await;
    assert_eq!(client.close_code().await, Some(1009));
}

#[tokio::test]
async fn a_message_that_is_not_utf8_is_answered_and_closes_the_socket() {
    let gateway = Gateway::start().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(gateway.url("alice", "")).await.unwrap();
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
    socket.send(Message::Frame(Frame::from_payload(header, vec![0xff, 0xfe].into()))).await.unwrap();
    let heard = monster_testkit::within("the end", async {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            heard.push(message);
        }
        heard
    })
    .await;
    let [Message::Text(answer), Message::Close(Some(close))] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(serde_json::from_str::<Value>(answer).unwrap()["statusCode"], "400");
    assert_eq!(u16::from(close.code), 1007);
}

#[tokio::test]
async fn a_binary_message_is_answered_and_the_socket_stays_open() {
    let gateway = Gateway::start().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(gateway.url("alice", "")).await.unwrap();
    for _ in 0..2 {
        socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
        let answer = monster_testkit::within("an answer", socket.next()).await.unwrap().unwrap();
        assert!(answer.into_text().unwrap().contains("\"400\""));
    }
}

#[tokio::test]
async fn only_a_path_that_is_an_account_can_be_opened() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.refusal("", "").await, 400);
    assert_eq!(gateway.refusal("a//b", "").await, 400);
    assert_eq!(gateway.refusal("%ff", "").await, 400);
    assert_eq!(gateway.refusal(&"x".repeat(5000), "").await, 400);
    let page = reqwest::get(format!("http://{}/alice", gateway.host)).await.unwrap();
    assert_eq!(page.status().as_u16(), 426);
    assert!(page.text().await.unwrap().contains("WebSocket"));
}

#[tokio::test]
async fn a_home_socket_needs_the_accounts_own_token_on_its_own_url() {
    let gateway = Gateway::start().await;
    for (name, token) in
        [("alice", "bob"), ("alice", "wrong"), ("alice", ""), ("nobody", "alice"), ("echo/echo", "alice")]
    {
        assert_eq!(gateway.refusal(name, &format!("?token={token}")).await, 401, "{token} opened {name}");
    }
    assert_eq!(gateway.refusal("alice", &format!("?token={}", "x".repeat(4000))).await, 401);
    let mut client = gateway.home("alice").await;
    let answer = client.request(json!({"code": "2001", "to": gateway.address("bob"), "text": "aGk="})).await;
    assert_eq!(answer["statusCode"], "200", "{answer}");
}

#[tokio::test]
async fn a_token_may_stand_in_the_authorization_header() {
    let gateway = Gateway::start().await;
    for (value, opens) in [("Bearer alice", true), ("bearer alice", true), ("Bearer bob", false), ("Basic YTpi", false)]
    {
        let mut request = gateway.url("alice", "").into_client_request().unwrap();
        request.headers_mut().insert("authorization", value.parse().unwrap());
        assert_eq!(tokio_tungstenite::connect_async(request).await.is_ok(), opens, "{value}");
    }
}

#[tokio::test]
async fn a_message_sent_just_before_the_end_of_the_socket_is_taken() {
    let gateway = Gateway::start().await;
    let mut client = gateway.home("alice").await;
    let frame = json!({"messageId": "last", "code": "2001", "to": gateway.address("bob"), "text": "Ynll"});
    client.send_raw(&frame.to_string()).await;
    client.close().await;
    let mut bob = gateway.home("bob").await;
    assert_eq!(MonsterClient::text(&bob.pushed().await), "bye");
}

#[tokio::test]
async fn messages_written_without_waiting_arrive_in_order() {
    let gateway = Gateway::start().await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    for number in 0..300 {
        let words = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, number.to_string());
        let mut frame =
            json!({"messageId": number.to_string(), "code": "2001", "to": gateway.address("bob"), "text": words});
        if number % 7 == 6 {
            frame["replyTo"] = json!((number - 1).to_string());
        }
        alice.send_raw(&frame.to_string()).await;
    }
    for number in 0..300 {
        assert_eq!(alice.any_answer().await["messageId"], number.to_string());
    }
    for number in 0..300 {
        let frame = bob.pushed().await;
        assert_eq!(MonsterClient::text(&frame), number.to_string());
        assert_eq!(frame.get("replyTo").is_some(), number % 7 == 6, "{frame}");
    }
}

#[tokio::test]
async fn the_gateway_says_good_bye_with_1001() {
    let gateway = Gateway::start().await;
    let (mut alice, mut nobody) = (gateway.home("alice").await, gateway.anonymous("bob").await);
    let stopping = tokio::spawn({
        let side = gateway.side.clone();
        async move { side.stop(monster_testkit::PATIENCE).await }
    });
    assert_eq!((alice.close_code().await, nobody.close_code().await), (Some(1001), Some(1001)));
    drop((alice, nobody));
    stopping.await.unwrap();
    assert_eq!(gateway.refusal("alice", "").await, 503);
}

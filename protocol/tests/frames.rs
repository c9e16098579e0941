//! Frames: every example of the seed as typed there, what is tolerated, what is refused and how.

use monster_protocol::{
    AccountType, CallLine, Decision, Ext, Frame, FrameError, InfoItem, MAX_MESSAGE_ID_BYTES, Request, RequestBody,
    Response, Status,
};

fn frame(text: &str) -> Frame<'_> {
    Frame::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn request(text: &str) -> Request<'_> {
    match frame(text) {
        Frame::Request(request) => request,
        Frame::Response(response) => panic!("{text}: {response:?}"),
    }
}

fn response(text: &str) -> Response<'_> {
    match frame(text) {
        Frame::Response(response) => response,
        Frame::Request(request) => panic!("{text}: {request:?}"),
    }
}

fn refused(text: &str) -> FrameError {
    match Frame::parse(text) {
        Err(error) => error,
        Ok(frame) => panic!("{text}: {frame:?}"),
    }
}

/// The answer to a bad frame, as it goes out.
fn answer(text: &str) -> String {
    let answer = refused(text).to_response();
    answer.unwrap_or_else(|| panic!("{text}: is not answered")).to_json()
}

mod the_seed {
    use super::*;

    #[test]
    fn asks_for_information() {
        let asked = request(
            r#"{
    messageId:"121111",
    code:"1000"
}"#,
        );
        assert_eq!(asked, Request::new("121111", RequestBody::Info));
    }

    const INFORMATION: &str = r#"{
    messageId:"121111",
    nickname:"bobcbui",
    picurl:"http://ooqn.com/user",
    accountType:"1",
    statusCode:"100",
    info:[
        {
            title:"mail",
            value:"bobcbui@qq.com"
        },
        {
            title:"language",
            value:"chinese"
        },
        {
            title:"region"
            value:"beijing"
        },
        {
            title:"synopsis",
            value:"i am a human"
        }
    ]
}"#;

    #[test]
    fn gives_information() {
        // The seed forgot one comma.
        let text = INFORMATION.replace("\"region\"\n", "\"region\",\n");
        let given = response(&text);
        assert_eq!((&*given.message_id, given.status), ("121111", Status::Information));
        assert_eq!(
            (given.nickname.as_deref(), given.picurl.as_deref()),
            (Some("bobcbui"), Some("http://ooqn.com/user"))
        );
        assert_eq!(given.account_type, Some(AccountType::Person));
        let rows: Vec<_> = given.info.iter().map(|row| (&*row.title, &*row.value)).collect();
        let expected =
            [("mail", "bobcbui@qq.com"), ("language", "chinese"), ("region", "beijing"), ("synopsis", "i am a human")];
        assert_eq!(rows, expected);
        assert!(!given.reads_extensions());
    }

    #[test]
    fn with_a_comma_missing_is_refused_and_never_answered_if_it_is_an_answer() {
        let error = refused(INFORMATION);
        assert_eq!(error.message_id(), Some("121111"));
        assert!(error.is_response() && error.to_response().is_none());
    }

    #[test]
    fn asks_to_be_added() {
        let text = r#"{
    messageId:"aksjdfkajkjdkfjkdjf",
    pass:"9994454"
    code:"1001"
}"#;
        // The seed forgot one comma; the id before it is still answered.
        insta::assert_snapshot!(answer(text), @r#"{"messageId":"aksjdfkajkjdkfjkdjf","statusCode":"400","error":"a frame is one JSON object: expected comma at line 4 column 5"}"#);
        let text = text.replace("\"9994454\"", "\"9994454\",");
        let expected = RequestBody::Join { pass: Some("9994454".into()) };
        assert_eq!(request(&text), Request::new("aksjdfkajkjdkfjkdjf", expected));
    }

    #[test]
    fn decides_about_it() {
        let decided = response(
            r#"{
    messageId:"aksjdfkajkjdkfjkdjf",
    statusCode:"100",
    type:"1"
}"#,
        );
        let expected = Response::new("aksjdfkajkjdkfjkdjf", Status::Information).with_decision(Decision::Accepted);
        assert_eq!(decided, expected);
    }

    #[test]
    fn ends_a_relation() {
        let asked = request(
            r#"{
    messageId:"aksjdfkajkjdkfjkdjf",
    code:"1004"
}"#,
        );
        assert_eq!(asked, Request::new("aksjdfkajkjdkfjkdjf", RequestBody::Leave));
        let answered = response(
            r#"{
    messageId:"",
    statusCode:"200"
}"#,
        );
        assert_eq!(answered, Response::new("", Status::Accepted));
    }

    #[test]
    fn sends_messages_and_calls() {
        // `base64(context)` in the seed stands for the encoded text.
        for code in ["2001", "2002", "2003"] {
            let text = format!(
                "{{\n    messageId:\"aksjdfkajkjdkfjkdjf\",\n    code:\"{code}\",\n    text: \"Y29udGV4dA==\"\n}}"
            );
            let asked = request(&text);
            assert_eq!((&*asked.message_id, asked.body.code()), ("aksjdfkajkjdkfjkdjf", code));
            if code == "2001" {
                assert_eq!(asked.body, RequestBody::Text { text: "context".into() });
            }
            assert!(refused(&text.replace("\"Y29udGV4dA==\"", "base64(context)")).message_id().is_some());
        }
        // With the comma behind the last field, as the seed has it.
        let answered = response(
            r#"{
    messageId:"aksjdfkajkjdkfjkdjf",
    statusCode:"200",
}"#,
        );
        assert_eq!(answered, Response::new("aksjdfkajkjdkfjkdjf", Status::Accepted));
    }

    #[test]
    fn recalls() {
        let asked = request(
            r#"{
    messageId:"aksjdfkajkjdkfjkdjf",
    code:"2004",
    recallMessageId: "12312312"
}"#,
        );
        let expected = RequestBody::Recall { target: "12312312".into() };
        assert_eq!(asked, Request::new("aksjdfkajkjdkfjkdjf", expected));
    }
}

#[test]
fn numbers_are_read_as_strings_or_as_numbers() {
    assert_eq!(request(r#"{"messageId":"1","code":1000}"#).body, RequestBody::Info);
    assert_eq!(request("{messageId:'1',code:+1.0e3}").body, RequestBody::Info);
    let given = response(r#"{"messageId":"1","statusCode":100,"accountType":2,"type":3}"#);
    assert_eq!((given.account_type, given.decision), (Some(AccountType::Group), Some(Decision::WrongPass)));
}

#[test]
fn a_status_counts_by_its_hundreds() {
    for (code, status) in [
        ("\"100\"", Status::Information),
        ("204", Status::Accepted),
        ("\"301\"", Status::Elsewhere),
        ("404", Status::BadRequest),
        ("599", Status::Unavailable),
    ] {
        assert_eq!(response(&format!("{{\"statusCode\":{code}}}")).into_owned(), Response::new("", status));
    }
    for code in ["0", "99", "600", "-200", "200.5", "\"ok\"", "\" 200\"", "\"+200\"", "\"\"", "[]", "1e999", "true"] {
        assert!(refused(&format!("{{\"messageId\":\"7\",\"statusCode\":{code}}}")).is_response(), "{code}");
    }
}

#[test]
fn what_is_written_is_strict_json_with_the_seeds_fields_as_strings() {
    let written = Request::new("1\"\n\u{1}", RequestBody::Text { text: "héllo".into() }).to_json();
    assert_eq!(written, r#"{"messageId":"1\"\n\u0001","code":"2001","text":"aMOpbGxv"}"#);
    assert_eq!(
        Request::new("2", RequestBody::Join { pass: Some("\\".into()) }).to_json(),
        r#"{"messageId":"2","code":"1001","pass":"\\"}"#
    );
    let mut given = Response::new("3", Status::Information);
    given.nickname = Some("Rust\t".into());
    given.picurl = Some("http://x/y".into());
    given.account_type = Some(AccountType::Channel);
    given.info = vec![InfoItem::new("topic", "a"), InfoItem::new("members", "2")];
    insta::assert_snapshot!(given.to_json(), @r#"{"messageId":"3","nickname":"Rust\t","picurl":"http://x/y","accountType":"3","statusCode":"100","info":[{"title":"topic","value":"a"},{"title":"members","value":"2"}]}"#);
    let mut moved = Response::new("4", Status::Elsewhere).with_error("moved");
    moved.location = Some("@a:new.example".parse().unwrap());
    insta::assert_snapshot!(moved.to_json(), @r#"{"messageId":"4","statusCode":"300","error":"moved","location":"@a:new.example"}"#);
    let decided = Response::new("5", Status::Information).with_decision(Decision::Waiting);
    assert_eq!(decided.to_json(), r#"{"messageId":"5","statusCode":"100","type":"2"}"#);
    assert_eq!(Response::new("", Status::Accepted).to_json(), r#"{"statusCode":"200"}"#);
}

#[test]
fn the_optional_fields_come_and_go_with_their_types() {
    let text = r#"{"messageId":"m","code":"2001","text":"8J+Rjg==","from":"@a:x","to":"@r:gw:7580","nickname":"A","time":1700000000000,"replyTo":"o","replaces":"p","reaction":"👎"}"#;
    let asked = request(text);
    assert_eq!(
        asked.ext,
        Ext {
            from: Some("@a:x".parse().unwrap()),
            to: Some("@r:gw:7580".parse().unwrap()),
            nickname: Some("A".into()),
            time: Some(1_700_000_000_000),
            reply_to: Some("o".into()),
            replaces: Some("p".into()),
            reaction: Some("👎".into()),
            call: None,
        }
    );
    assert_eq!(asked.to_json(), text);
    assert_eq!(asked.clone().into_owned(), asked);
    // The line of a call is told, and not believed of others.
    let call = CallLine { outcome: "missed".to_owned(), incoming: true, missed: true, ..CallLine::default() };
    let told = Request { ext: Ext { call: Some(Box::new(call)), ..asked.ext.clone() }, ..asked.clone() }.to_json();
    assert!(told.ends_with(r#","call":{"incoming":true,"video":false,"outcome":"missed","missed":true}}"#), "{told}");
    assert_eq!(request(&told), asked);
}

#[test]
fn an_optional_field_that_cannot_be_read_is_named() {
    for (field, error) in [
        ("\"to\":\"bob\"", "`to` is not an address: an address starts with `@`, e.g. `@alice:example.org`"),
        ("\"from\":7", "`from` must be text, and is a number"),
        ("\"time\":\"soon\"", "`time` is not a number"),
        ("\"time\":-1", "`time` is not a number"),
        ("\"replyTo\":[1]", "`replyTo` must be text, and is a list"),
        ("\"nickname\":{}", "`nickname` must be text, and is an object"),
        ("\"reaction\":\"x\"", "a `reaction` needs `replyTo`, the message that it is for"),
    ] {
        let refused = refused(&format!("{{\"messageId\":\"m\",\"code\":\"1000\",{field}}}"));
        assert_eq!((refused.to_string().as_str(), refused.message_id()), (error, Some("m")), "{field}");
    }
}

#[test]
fn what_an_answer_tells_beside_its_status_never_spoils_it() {
    let given = response(
        r#"{"statusCode":"100","messageId":"1","nickname":7,"accountType":"9","type":[],"location":"nowhere","picurl":null,
            "info":["x",{"title":"a"},{"title":"members","value":12,"more":[{}]},{"title":"monster.ext","value":"1"},null]}"#,
    );
    assert_eq!(given.info, [InfoItem::new("members", "12"), InfoItem::new("monster.ext", "1")]);
    assert!(given.reads_extensions());
    assert_eq!((given.nickname, given.account_type, given.decision, given.location), (None, None, None, None));
    for info in ["null", "7", "\"x\"", "{}", "{\"mail\":\"x\"}", "[]"] {
        assert_eq!(response(&format!("{{\"info\":{info},\"statusCode\":\"200\"}}")).info, []);
    }
}

#[test]
fn an_answer_that_copies_the_request_is_an_answer() {
    let text = r#"{"messageId":"1","code":"2001","text":"YQ==","statusCode":"200"}"#;
    assert_eq!(response(text), Response::new("1", Status::Accepted));
}

#[test]
fn unknown_fields_are_read_over_and_never_echoed() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let text = format!(
        r#"{{"x":{deep},"messageId":"1","y":{{"code":"2004"}},"code":"1000","z":null,"\u0077":1.5e300,"v":-1,"u":true}}"#
    );
    assert_eq!(request(&text).to_json(), r#"{"messageId":"1","code":"1000"}"#);
    assert_eq!(
        request("{a:{b:[1,'x',{c:null}]},messageId:'1',code:1000,/* d */}").to_json(),
        r#"{"messageId":"1","code":"1000"}"#
    );
}

#[test]
fn null_is_the_same_as_absent() {
    let asked = request(r#"{"messageId":"1","code":"1001","pass":null,"to":null,"statusCode":null}"#);
    assert_eq!(asked, Request::new("1", RequestBody::Join { pass: None }));
}

#[test]
fn a_bad_frame_is_answered_in_words_with_the_id_that_could_be_read() {
    for (text, expected) in [
        (
            "",
            r#"{"statusCode":"400","error":"a frame is one JSON object: EOF while parsing a value at line 1 column 0"}"#,
        ),
        ("[]", r#"{"statusCode":"400","error":"a frame is one JSON object"}"#),
        (
            "hello",
            r#"{"statusCode":"400","error":"a frame is one JSON object: expected opening brace at line 1 column 1"}"#,
        ),
        (
            r#"{"messageId":"1""#,
            r#"{"messageId":"1","statusCode":"400","error":"a frame is one JSON object: EOF while parsing an object at line 1 column 16"}"#,
        ),
        (
            "{}",
            r#"{"statusCode":"400","error":"a frame needs `code` if it is a request, and `statusCode` if it is an answer"}"#,
        ),
        (r#"{"code":"1000"}"#, r#"{"statusCode":"400","error":"a request needs a `messageId`"}"#),
        (r#"{"code":"1000","messageId":""}"#, r#"{"statusCode":"400","error":"a request needs a `messageId`"}"#),
        (
            r#"{"code":"1000","messageId":5}"#,
            r#"{"statusCode":"400","error":"`messageId` must be text, and is a number"}"#,
        ),
        (
            r#"{"code":"9999","messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"9999 is not a known `code`: it is 1000, 1001, 1004, 2001, 2002, 2003 or 2004"}"#,
        ),
        (
            r#"{"code":"two","messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"`code` is not a number"}"#,
        ),
        (
            r#"{"code":"99999999999999999999999","messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"`code` is not a number"}"#,
        ),
        (r#"{"code":"2001","messageId":"1"}"#, r#"{"messageId":"1","statusCode":"400","error":"2001 needs `text`"}"#),
        (
            r#"{"code":"2001","text":5,"messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"`text` must be text, and is a number"}"#,
        ),
        (
            r#"{"code":"2001","text":"!!","messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"`text` is not base64"}"#,
        ),
        (
            r#"{"code":"2001","text":"/w==","messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"`text` is base64 of something that is not UTF-8"}"#,
        ),
        (
            r#"{"code":"2004","messageId":"1"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"2004 needs `recallMessageId`"}"#,
        ),
        (
            r#"{"code":"1000","messageId":"1","code":"1004"}"#,
            r#"{"messageId":"1","statusCode":"400","error":"`code` is there twice"}"#,
        ),
        (
            r#"{"code":"1000","messageId":"1"} {}"#,
            r#"{"messageId":"1","statusCode":"400","error":"a frame is one JSON object: trailing characters"}"#,
        ),
    ] {
        assert_eq!(answer(text), expected, "{text}");
    }
}

#[test]
fn an_overlong_message_id_is_not_echoed() {
    let text = format!(r#"{{"messageId":"{}","code":"1000"}}"#, "x\u{7f}é".repeat(2500));
    let answered = answer(&text);
    assert!(answered.len() < 300, "{answered}");
    insta::assert_snapshot!(answered, @r#"{"statusCode":"400","error":"`messageId` is longer than 256 bytes; it starts with \"x\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}éx\\u{7f}\""}"#);
    let longest = "x".repeat(MAX_MESSAGE_ID_BYTES);
    assert_eq!(request(&format!(r#"{{"messageId":"{longest}","code":1000}}"#)).message_id, longest);
    for field in ["replyTo", "replaces"] {
        let text = format!(r#"{{"messageId":"1","code":1000,"{field}":"{longest}x"}}"#);
        assert!(refused(&text).to_string().starts_with(&format!("`{field}` is longer than 256 bytes")));
    }
    let text = format!(r#"{{"messageId":"1","code":2004,"recallMessageId":"{longest}x"}}"#);
    assert!(refused(&text).to_string().starts_with("`recallMessageId` is longer than 256 bytes"));
}

#[test]
fn deep_nesting_costs_neither_the_stack_nor_the_frame() {
    for open in ["[", "{a:", "{\"a\":"] {
        for depth in [31, 33, 1000, 80_000] {
            for text in [
                format!("{{messageId:'1',x:{}", open.repeat(depth)),
                format!("{{messageId:'1',text:{}", open.repeat(depth)),
                format!("{{messageId:'1',info:[{{title:{}", open.repeat(depth)),
                format!("{{\"messageId\":\"1\",\"x\":{}", open.repeat(depth)),
                open.repeat(depth),
            ] {
                let error = refused(&text);
                assert!(error.to_string().len() < 200);
            }
        }
    }
}

#[test]
fn what_follows_a_json5_object_is_refused() {
    for rest in ["x", "n", "null", "nul", "[", "{", "1", "+", "'", "/", "/*", "}", ","] {
        refused(&format!("{{messageId:'1',code:1000}} {rest}"));
    }
    for rest in ["", " ", "\n", "// x", "/* x */ "] {
        request(&format!("{{messageId:'1',code:1000}}{rest}"));
    }
}

#[test]
fn base64_is_read_with_and_without_padding() {
    for encoded in ["YQ==", "YQ"] {
        let asked = format!(r#"{{"messageId":"1","code":"2001","text":"{encoded}"}}"#);
        assert_eq!(request(&asked).body, RequestBody::Text { text: "a".into() });
    }
    for encoded in ["Y", "YR==", "YQ==YQ==", "Y Q=", "_w=="] {
        refused(&format!(r#"{{"messageId":"1","code":"2001","text":"{encoded}"}}"#));
    }
    assert_eq!(request(r#"{"messageId":"1","code":"2001","text":""}"#).body, RequestBody::Text { text: "".into() });
}
